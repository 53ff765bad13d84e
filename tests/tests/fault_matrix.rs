//! Every fault on every sink, on real services. In each cell two processes share the partitions of a plain and of a joined
//! projection while events are appended; after the fault everything is reached without a restart, and the documents are those
//! that are folded from the log in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod fault_matrix {
    pub mod network;
    pub mod outage;
    mod pair;
    pub mod process;
    pub mod service;
}

use fault_matrix::service::CutOff;
use fault_matrix::{network, outage, process};

macro_rules! matrix {
    ($($service:ident: $server:ty),+ $(,)?) => {$(
        mod $service {
            use super::*;

            matrix! { cells of $server:
                a_process_that_is_killed = process::killed,
                a_process_that_is_paused_past_its_lease = process::paused,
                a_sink_that_is_down = outage::down,
                a_sink_that_is_slow = network::slow,
                a_sink_whose_connections_are_cut_in_the_middle_of_batches = network::cut,
                a_store_that_is_stopped_hard_and_starts_again = outage::restarted,
            }
        }
    )+};
    (cells of $server:ty: $($cell:ident = $module:ident :: $fault:ident,)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $cell() {
            $module::$fault::<$server>().await;
        }
    )+};
}

matrix! {
    redis: cqrs_tests::redis_server::RedisServer,
    elasticsearch: CutOff,
    postgresql: cqrs_tests::server::Server,
}
