//! What is written is read again as it was, and what cannot be written is refused: for any value.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod round_trips {
    mod events;
    mod ids;
    mod metadata;
    mod names;
    mod numbers;
    mod timestamps;
}
