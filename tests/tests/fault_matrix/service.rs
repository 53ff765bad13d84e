//! Services that can be down.

use cqrs_tests::proxy::Proxy;
use cqrs_tests::redis_server::RedisServer;
use cqrs_tests::server::Server;
use cqrs_tests::sink::Service;

/// A server of a test's own.
pub trait Outage: Sized {
    const SERVICE: Service;

    async fn begin() -> Self;

    fn address(&self) -> String;

    async fn goes_down(&mut self);

    async fn comes_back(&mut self);
}

impl Outage for RedisServer {
    const SERVICE: Service = Service::Redis;

    async fn begin() -> Self {
        Self::start().await
    }

    fn address(&self) -> String {
        self.url()
    }

    async fn goes_down(&mut self) {
        self.stop_hard();
    }

    async fn comes_back(&mut self) {
        self.start_again().await;
    }
}

impl Outage for Server {
    const SERVICE: Service = Service::Postgres;

    async fn begin() -> Self {
        Self::start().await
    }

    fn address(&self) -> String {
        self.url()
    }

    async fn goes_down(&mut self) {
        self.stop_hard();
    }

    async fn comes_back(&mut self) {
        self.start_again().await;
    }
}

/// Elasticsearch takes half a minute to start. It stays, and is cut off: connections are reset, and new ones are refused.
pub struct CutOff {
    proxy: Proxy,
    address: String,
}

impl Outage for CutOff {
    const SERVICE: Service = Service::Elastic;

    async fn begin() -> Self {
        let address = std::env::var("ELASTICSEARCH_URL").expect("ELASTICSEARCH_URL is not set: run tests/run");
        let proxy = Proxy::before_service(&address).await;
        Self { address: proxy.url(&address), proxy }
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    async fn goes_down(&mut self) {
        self.proxy.refuse();
    }

    async fn comes_back(&mut self) {
        self.proxy.pass();
    }
}
