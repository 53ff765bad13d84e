//! Processes come and go while events are written.

use cqrs_tests::sink::Service;

use cqrs_tests::cluster::{Cluster, ended};

async fn whatever_happens(service: Service) {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_worker"), service, 6).await;
    let (one, two) = (cluster.process("one"), cluster.process("two"));
    let load = cluster.under_load();
    cluster.shared([("one", 3), ("two", 3)]).await;
    cluster.goes_on().await;

    one.kill();
    cluster.shared([("two", 6)]).await;
    cluster.goes_on().await;

    let three = cluster.process("three");
    cluster.shared([("three", 3), ("two", 3)]).await;
    cluster.goes_on().await;

    for _ in 0..3 {
        two.freeze();
        cluster.shared([("three", 6)]).await;
        cluster.goes_on().await;
        two.thaw();
        cluster.shared([("three", 3), ("two", 3)]).await;
        cluster.goes_on().await;
    }

    let four = cluster.process("four");
    cluster.shared([("four", 2), ("three", 2), ("two", 2)]).await;
    ended(three).await;
    cluster.shared([("four", 3), ("two", 3)]).await;
    four.kill();
    cluster.shared([("two", 6)]).await;

    load.ends().await;
    cluster.assert_right().await;
    ended(two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_has_the_documents_of_the_log_whatever_happens_to_processes() {
    whatever_happens(Service::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_has_the_documents_of_the_log_whatever_happens_to_processes() {
    whatever_happens(Service::Elastic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_has_the_documents_of_the_log_whatever_happens_to_processes() {
    whatever_happens(Service::Postgres).await;
}
