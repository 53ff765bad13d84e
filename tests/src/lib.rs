//! Tests across the crates, on the real services.

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

pub mod cards;
pub mod checker;
pub mod cluster;
pub mod conditions;
pub mod database;
pub mod guide;
pub mod journal;
pub mod ledger;
pub mod pgbouncer;
pub mod proxy;
pub mod redis_server;
pub mod server;
pub mod sink;
pub mod wait;
pub mod worker;
