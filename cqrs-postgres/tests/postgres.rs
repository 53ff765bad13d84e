//! The ports on a real PostgreSQL: every contract, and what only a database can get wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod postgres {
    mod append_in;
    mod appending;
    mod claims;
    mod commands;
    mod contract;
    mod database;
    mod enqueueing;
    mod format;
    mod immutability;
    mod migration;
    mod outbox;
    mod plans;
    mod read_model;
    mod relaying;
    mod role;
    mod stream_facts;
    mod subscription;
    mod tags;
    mod tenants;
}
