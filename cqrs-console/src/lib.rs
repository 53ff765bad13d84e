//! The command line of the framework: skins over library calls, which [`admin`] holds where no other crate does.
//!
//! `cqrs` is the program that knows no events. What needs them, such as a lockfile of their schemas, is a program of your own
//! in two lines: see [`schema`].

pub mod admin;
pub mod schema;
