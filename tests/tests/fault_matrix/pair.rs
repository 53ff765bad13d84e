//! Two processes that share the partitions of both projections.

use std::time::Duration;

use cqrs_tests::cluster::{Cluster, Load, ended};
use cqrs_tests::database::Database;
use cqrs_tests::proxy::Proxy;
use cqrs_tests::sink::{Corner, Service, Sink};
use cqrs_tests::wait::{AT_MOST, within};
use cqrs_tests::worker::Worker;

/// Of each projection.
const PARTITIONS: u16 = 4;

pub async fn cluster(database: Database, corner: Corner) -> Cluster {
    Cluster::over(env!("CARGO_BIN_EXE_worker"), database, corner, PARTITIONS).await
}

/// A cluster on the services of the tests, and another way to its read model.
pub async fn behind_proxy(service: Service) -> (Cluster, Proxy, Sink) {
    let cluster = cluster(Database::new(), Corner::new(service).await).await;
    let sink = &cluster.corner.sink;
    let proxy = Proxy::before_service(sink.url()).await;
    let by_proxy = sink.at(proxy.url(sink.url()));
    (cluster, proxy, by_proxy)
}

pub struct Pair {
    pub one: Worker,
    pub two: Worker,
    pub cluster: Cluster,
}

impl Pair {
    /// Starts two processes.
    pub async fn start(cluster: Cluster, one: &Sink, two: &Sink) -> Self {
        let (one, two) = (cluster.process_at("one", one.clone()), cluster.process_at("two", two.clone()));
        let pair = Self { one, two, cluster };
        pair.shares().await;
        pair
    }

    pub async fn shares(&self) {
        self.cluster.shared([("one", 2), ("two", 2)]).await;
    }

    /// Each waits for what is written by now.
    pub async fn goes_on(&mut self) {
        for process in [&mut self.one, &mut self.two] {
            process.reaches(self.cluster.head().await).await;
        }
    }

    pub async fn failures(&mut self) -> [u64; 2] {
        [self.one.failures().await, self.two.failures().await]
    }

    /// Waits until each has failed since it had failed so often.
    pub async fn fail_since(&mut self, before: [u64; 2]) {
        let failed = async {
            while self.failures().await.iter().zip(before).any(|(now, before)| *now <= before) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("each has failed", AT_MOST, failed).await;
    }

    /// Waits until neither writes anything: their leases are over.
    pub async fn give_up(&mut self) {
        let given_up = async {
            while self.one.owned().await + self.two.owned().await > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within("the leases are over", AT_MOST, given_up).await;
    }

    /// Each waits for all that was written, and finds the documents of the log.
    pub async fn is_right_after(&mut self, load: Load) {
        load.ends().await;
        self.goes_on().await;
        self.cluster.assert_right().await;
    }

    pub async fn ends(self) {
        ended(self.one).await;
        ended(self.two).await;
    }
}
