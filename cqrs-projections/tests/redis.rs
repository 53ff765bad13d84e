//! The read model in Redis, on the real server of `REDIS_URL`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod redis {
    mod batches;
    mod cache_aside;
    mod cluster;
    mod contract;
    mod derived;
    mod generations;
    mod layout;
    mod letters;
    mod lost_writes;
    mod proxy;
    mod recovery;
    mod scratch;
    mod server;
}
