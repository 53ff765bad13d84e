//! Nothing is ever lost: the store on a real server, and everything that can go wrong between the two.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod proof {
    mod callers;
    mod conditions;
    mod frozen;
    mod network;
    mod pooler;
    mod refusal;
    mod restart;
    mod torture;
    mod witness;
}
