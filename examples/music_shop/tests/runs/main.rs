//! The program, run as a user runs it: in memory, on the real services, killed in the middle, and with bad input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod file;
mod killed;
mod malformed;
mod place;
mod whole;
