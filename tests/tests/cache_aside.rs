//! Courses in Elasticsearch with a cache in Redis before them, invalidated by the events in PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cache_aside {
    mod catalogue;
    mod freshness;
}
