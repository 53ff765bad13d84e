//! What happens to servers.

use cqrs_tests::database::Database;
use cqrs_tests::server::Server;
use cqrs_tests::sink::{Corner, Service};

use super::pair::{Pair, cluster};
use super::service::Outage;

/// The read model is away.
pub async fn down<S: Outage>() {
    let mut server = S::begin().await;
    let cluster = cluster(Database::new(), Corner::at(S::SERVICE, &server.address()).await).await;
    let sink = cluster.corner.sink.clone();
    let mut pair = Pair::start(cluster, &sink, &sink).await;
    for _ in 0..3 {
        let load = pair.cluster.under_load();
        pair.goes_on().await;
        let failures = pair.failures().await;
        server.goes_down().await;
        pair.fail_since(failures).await;
        server.comes_back().await;
        pair.goes_on().await;
        pair.is_right_after(load).await;
    }
    pair.ends().await;
}

/// The store and the leases are away, and in PostgreSQL the documents with them.
pub async fn restarted<S: Outage>() {
    let mut server = Server::start().await;
    let corner = match S::SERVICE {
        Service::Postgres => Corner::at(S::SERVICE, &server.url()).await,
        service => Corner::new(service).await,
    };
    let cluster = cluster(Database::at(&server.url()), corner).await;
    let sink = cluster.corner.sink.clone();
    let mut pair = Pair::start(cluster, &sink, &sink).await;
    for stays_away in [false, true] {
        let load = pair.cluster.under_load();
        pair.goes_on().await;
        server.stop_hard();
        if stays_away {
            pair.give_up().await;
        }
        server.start_again().await;
        pair.goes_on().await;
        pair.is_right_after(load).await;
    }
    pair.ends().await;
}
