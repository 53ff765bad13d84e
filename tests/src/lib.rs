//! Tests across the crates, on the real services
