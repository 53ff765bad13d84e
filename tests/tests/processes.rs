//! Several processes share the partitions of a projection, on real services: they are killed, stopped, frozen and added,
//! and the documents are those of the log.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes {
    mod harm;
    mod rebuild;
    mod shares;
}
