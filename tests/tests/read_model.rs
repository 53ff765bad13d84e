//! Read models in PostgreSQL, kept by the runner, and everything that can go wrong between the two.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod read_model {
    mod crashes;
    mod generations;
    mod late;
    mod ledger;
    mod letters;
    mod owners;
    mod pooler;
    mod restart;
    mod statements;
}
