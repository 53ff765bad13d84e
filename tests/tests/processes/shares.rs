//! Who writes what.

use cqrs_tests::sink::Service;

use cqrs_tests::cluster::{Cluster, ended};

#[tokio::test(flavor = "multi_thread")]
async fn six_partitions_over_two_processes_are_three_and_three() {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_worker"), Service::Redis, 6).await;
    let (one, two) = (cluster.process("one"), cluster.process("two"));
    cluster.shared([("one", 3), ("two", 3)]).await;
    ended(one).await;
    cluster.shared([("two", 6)]).await;
    ended(two).await;
    cluster.shared([]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_partitions_over_two_processes_are_two_and_one() {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_worker"), Service::Redis, 3).await;
    let one = cluster.process("one");
    cluster.shared([("one", 3)]).await;
    let two = cluster.process("two");
    cluster.shared([("one", 2), ("two", 1)]).await;
    ended(one).await;
    ended(two).await;
}
