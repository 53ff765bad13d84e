//! Read models in Elasticsearch, on a real server.
#![cfg(feature = "elasticsearch")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod contract;
mod deep;
mod facets;
mod generations;
mod hidden;
mod highlights;
mod http;
mod letters;
mod overload;
mod place;
mod running;
mod search;
mod server;
mod trouble;
mod writing;
