//! Tests across the crates, on the real services.

/// The examples of the README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// So do those of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guide/evolving-events.md")]
pub struct EvolvingEvents;

pub mod cards;
pub mod checker;
pub mod cluster;
pub mod conditions;
pub mod database;
pub mod journal;
pub mod ledger;
pub mod pgbouncer;
pub mod proxy;
pub mod redis_server;
pub mod server;
pub mod sink;
pub mod wait;
pub mod worker;
