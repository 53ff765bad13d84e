//! The ports on a real file: every contract, and what only a file can get wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sqlite {
    mod appending;
    mod claims;
    mod closing;
    mod commands;
    mod contract;
    mod file;
    mod format;
    mod immutability;
    mod importing;
    mod opening;
    mod processes;
    mod reading;
    mod stream_facts;
    mod subscription;
    mod tags;
}
