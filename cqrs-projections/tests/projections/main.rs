//! Projections over stores and read models that fail in every way: the documents always equal those of an oracle.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod as_of;
mod batching;
mod breaking;
mod clubs;
mod comparing;
mod crashes;
mod enriching;
mod evolving;
mod faulty;
mod joins;
mod ledger;
mod letters;
mod ownership;
mod partitions;
mod reacting;
mod rebuilding;
mod recovery;
mod resuming;
mod running;
mod sharing;
mod subject;
mod testing;
