//! A rebuild in one process, while others write.

use cqrs_projections::Projections;
use cqrs_tests::cards::{self, Cards};
use cqrs_tests::ledger::{NAME, Sheets};
use cqrs_tests::sink::Service;
use cqrs_tests::wait::AT_MOST;

use cqrs_tests::cluster::{Cluster, LEASE, ended};

async fn start(cluster: &Cluster, partitions: u16) -> cqrs_projections::Running {
    let projections = Projections::new(cluster.store.clone())
        .add(NAME, Sheets(partitions), cluster.model.clone())
        .add_join(cards::NAME, Cards(partitions), cluster.model.clone());
    projections.leases(cluster.leases.clone()).lease_time(LEASE).label("own").start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_in_one_process_is_followed_by_the_others() {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_worker"), Service::Redis, 3).await;
    let (one, two) = (cluster.process("one"), cluster.process("two"));
    let running = start(&cluster, 3).await;
    let load = cluster.under_load();
    for _ in 0..3 {
        cluster.shared([("one", 1), ("own", 1), ("two", 1)]).await;
        running.rebuild(NAME).batch(200).await.unwrap();
        cluster.goes_on().await;
        running.wait_for(cluster.head().await, AT_MOST).await.unwrap();
    }
    one.kill();
    running.rebuild(NAME).await.unwrap();
    running.rebuild(cards::NAME).await.unwrap();
    cluster.goes_on().await;
    load.ends().await;
    cluster.assert_right().await;
    ended(two).await;
    cluster.shared([("own", 3)]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_with_more_partitions_takes_over_by_its_rebuild() {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_worker"), Service::Redis, 2).await;
    let older = cluster.process("older");
    let load = cluster.under_load();
    cluster.shared([("older", 2)]).await;
    cluster.goes_on().await;
    let newer = start(&cluster, 5).await;
    newer.rebuild(NAME).await.unwrap();
    newer.rebuild(cards::NAME).await.unwrap();
    cluster.shared([("own", 5)]).await;
    load.ends().await;
    cluster.assert_right().await;
    ended(older).await;
    newer.stop().await;
}
