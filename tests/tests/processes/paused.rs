//! A process that is paused in the middle of a batch, and goes on when others have its partitions.

use cqrs_tests::ledger::{folded, go_on, kept};
use cqrs_tests::proxy::Proxy;
use cqrs_tests::sink::Service;
use cqrs_tests::wait::until;

use super::cluster::{Cluster, ended};

/// What a paused process has sent arrives late, and then it goes on where it was.
async fn a_paused_owner_changes_nothing(service: Service) {
    let cluster = Cluster::new(service, 2).await;
    let proxy = Proxy::before_database(cluster.corner.sink.url()).await;
    let paused = cluster.process_at("paused", cluster.corner.sink.at(proxy.url(cluster.corner.sink.url())));
    cluster.shared([("paused", 2)]).await;
    for seed in 1..40 {
        go_on(&cluster.store, seed).await;
    }
    cluster.goes_on().await;

    for round in 1..4 {
        let held = proxy.hold();
        go_on(&cluster.store, round * 100).await;
        until("it has sent something", || async { (held.bytes() > 0).then_some(()) }).await;
        paused.freeze();
        let other = cluster.process("other");
        cluster.shared([("other", 2)]).await;
        for seed in 1..40 {
            go_on(&cluster.store, round * 100 + seed).await;
        }
        cluster.assert_right().await;

        held.release();
        paused.thaw();
        cluster.shared([("other", 1), ("paused", 1)]).await;
        cluster.goes_on().await;
        assert_eq!(kept(&cluster.model).await, folded(&cluster.store).await, "nothing that it sent or sends is seen");
        ended(other).await;
        cluster.shared([("paused", 2)]).await;
        go_on(&cluster.store, round * 100 + 50).await;
        cluster.assert_right().await;
    }
    ended(paused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_redis_an_owner_that_was_paused_past_its_lease_changes_neither_documents_nor_checkpoints() {
    a_paused_owner_changes_nothing(Service::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_elasticsearch_an_owner_that_was_paused_past_its_lease_changes_neither_documents_nor_checkpoints() {
    a_paused_owner_changes_nothing(Service::Elastic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgresql_an_owner_that_was_paused_past_its_lease_changes_neither_documents_nor_checkpoints() {
    a_paused_owner_changes_nothing(Service::Postgres).await;
}
