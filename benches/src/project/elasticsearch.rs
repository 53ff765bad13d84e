//! A prefix of one's own in Elasticsearch (ELASTICSEARCH_URL).

use std::fmt::Write;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{DocumentWrite, Partitions, ProjectionName, ReadModel};
use cqrs_projections::{ElasticReadModel, Field, Mapping, SearchQuery};
use elasticsearch::http::Method;
use elasticsearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderValue};
use elasticsearch::http::transport::Transport;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::place::{Place, Totals};
use super::statement::{NEWEST, PROJECTION, Statement};
use crate::Error;

/// Requests on their way at once.
const AT_ONCE: usize = 2;

/// Documents in one request at most.
const DOCUMENTS: usize = 1_000;

const BARE: &str = "bare";

pub struct Elasticsearch {
    prefix: String,
    model: ElasticReadModel,
    transport: Transport,
}

impl Elasticsearch {
    pub async fn connect() -> Result<Self, Error> {
        let url = std::env::var("ELASTICSEARCH_URL")
            .map_err(|_| "ELASTICSEARCH_URL is not set: eval \"$(tests/services start elasticsearch)\"")?;
        let prefix = format!("bench{}", uuid::Uuid::now_v7().simple());
        let mapping = Mapping::new()
            .field("account", Field::keyword())
            .field("balance", Field::long())
            .field("note", Field::text())
            .replicas(0);
        let model = ElasticReadModel::connect(&url).await?.prefix(&prefix)?.mapping(mapping);
        Ok(Self { prefix, model, transport: Transport::single_node(&url)? })
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Value, Error> {
        let mut headers = HeaderMap::new();
        if path.ends_with("_bulk") {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        }
        let response = self.transport.send(method, path, headers, None::<&()>, body, None).await?;
        let status = response.status_code();
        let answer: Value = response.json().await?;
        if status.is_client_error() || status.is_server_error() || answer["errors"] == true {
            return Err(format!("{path}: {status} {answer}").into());
        }
        Ok(answer)
    }

    async fn bulk(&self, documents: &[&DocumentWrite]) -> Result<(), Error> {
        let mut body = String::new();
        for write in documents {
            let document = write.document.as_ref().map_or("{}", |document| document.as_str());
            writeln!(body, "{{\"index\":{{\"_id\":\"{}\"}}}}\n{document}", write.key)?;
        }
        let path = format!("{}.{BARE}/_bulk", self.prefix);
        self.send(Method::Post, &path, Some(body)).await.map(drop)
    }
}

#[async_trait]
impl Place for Elasticsearch {
    fn model(&self) -> Arc<dyn ReadModel> {
        Arc::new(self.model.clone())
    }

    async fn totals(&self) -> Result<Option<Totals>, Error> {
        let index = format!("{}.{PROJECTION}", self.prefix);
        self.send(Method::Post, &format!("{index}/_refresh"), None).await?;
        let body = json!({
            "size": 0, "track_total_hits": true, "aggs": { "balance": { "sum": { "field": "balance" } } },
        });
        let found = self.send(Method::Post, &format!("{index}/_search"), Some(body.to_string())).await?;
        let documents = found["hits"]["total"]["value"].as_u64().ok_or("no total")?;
        let balance = found["aggregations"]["balance"]["value"].as_f64().ok_or("no sum")?;
        Ok(Some(Totals { documents, balance: balance as i64 }))
    }

    /// An index as that of the read model.
    async fn prepare_bare(&self) -> Result<(), Error> {
        Ok(self.model.open(&ProjectionName::new(BARE)?, Partitions::ONE).await.map(drop)?)
    }

    async fn write_bare(&self, documents: &[&DocumentWrite], batch: usize) -> Result<(), Error> {
        let requests: Vec<_> = documents.chunks(batch.min(DOCUMENTS)).map(|request| self.bulk(request)).collect();
        stream::iter(requests).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn searched(&self) -> Result<Option<u64>, Error> {
        let newest = SearchQuery::new().term("account", NEWEST).limit(1);
        let page = self.model.search::<Statement>(PROJECTION)?.page(&newest).await?;
        Ok(Some(page.hits.first().map_or(0, |hit| hit.position.get())))
    }

    async fn remove(&self) -> Result<(), Error> {
        let indices = self.send(Method::Get, &format!("{}.*/_alias", self.prefix), None).await?;
        let names: Vec<_> = indices.as_object().into_iter().flat_map(|indices| indices.keys().cloned()).collect();
        if !names.is_empty() {
            self.send(Method::Delete, &names.join(","), None).await?;
        }
        Ok(())
    }
}
