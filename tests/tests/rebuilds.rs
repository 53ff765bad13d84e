//! Rebuilds and the past of read models, on the real services: killed and gone on with, compared, kept.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod rebuilds {
    mod compared;
    mod killed;
    mod past;
    mod place;
}
