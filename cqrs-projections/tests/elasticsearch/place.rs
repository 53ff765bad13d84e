//! A prefix of its own on the server, removed at the end.

use ::elasticsearch::http::transport::Transport;
use ::elasticsearch::http::{Method, headers::HeaderMap};
use cqrs_core::{
    Batch, Checkpoint, DocumentWrite, EventId, FencingToken, Generation, GlobalPosition, Partitions, Payload,
    ProjectionName, ReadModel, ReadModelError, StoreId, Target,
};
use cqrs_projections::{ElasticReadModel, Field, Mapping, Refresh, SearchError};
use serde_json::Value;

/// A read model on indices of its own, and the way past it to the server.
pub struct Place {
    pub model: ElasticReadModel,
    pub prefix: String,
    pub projection: ProjectionName,
    transport: Transport,
}

pub fn url() -> String {
    std::env::var("ELASTICSEARCH_URL").expect("ELASTICSEARCH_URL is not set: run tests/run")
}

pub fn mapping() -> Mapping {
    Mapping::new().field("title", Field::text()).field("price", Field::long()).shards(1).replicas(0)
}

impl Place {
    pub async fn new() -> Self {
        Self::with(mapping()).await
    }

    pub async fn with(mapping: Mapping) -> Self {
        let url = url();
        let prefix = format!("t{}", uuid::Uuid::now_v7().simple());
        let model = ElasticReadModel::connect(&url).await.expect("Elasticsearch is there");
        let model = model.prefix(&prefix).unwrap().mapping(mapping).refresh(Refresh::Immediate);
        let projection = ProjectionName::new("catalogue").unwrap();
        Self { model, prefix, projection, transport: Transport::single_node(&url).unwrap() }
    }

    /// The same indices, by way of another server.
    pub fn by_way_of(&self, url: &str) -> ElasticReadModel {
        let model = ElasticReadModel::new(Transport::single_node(url).unwrap());
        model.prefix(&self.prefix).unwrap().mapping(mapping())
    }

    pub async fn open(&self) -> Generation {
        self.model.open(&self.projection, Partitions::ONE).await.unwrap()
    }

    pub fn target(&self, generation: Generation) -> Target {
        Target { projection: self.projection.clone(), generation, partition: 0 }
    }

    /// Writes the documents as the batch that goes to `position`, under the first token.
    pub async fn write(
        &self,
        generation: Generation,
        from: u64,
        position: u64,
        documents: Vec<DocumentWrite>,
    ) -> Result<(), ReadModelError> {
        self.model.apply(&self.target(generation), batch(generation, from, position, 1, documents)).await
    }

    /// The documents under these keys, and their positions.
    pub async fn load(&self, generation: Generation, keys: &[&str]) -> Vec<Option<(Option<String>, u64)>> {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        let found = self.model.load(&self.target(generation), &keys).await.unwrap();
        let text = |payload: Payload| payload.as_str().to_owned();
        found.into_iter().map(|found| found.map(|found| (found.document.map(text), found.position.get()))).collect()
    }

    pub async fn position(&self, generation: Generation) -> u64 {
        let (_, checkpoint) = self.model.checkpoint(&self.target(generation)).await.unwrap();
        checkpoint.map_or(0, |checkpoint| checkpoint.position.get())
    }

    /// How many documents a search sees.
    pub async fn found(&self) -> Result<Vec<String>, SearchError> {
        let all = self.model.search::<Value>("catalogue").unwrap();
        let page = all.page(&cqrs_projections::SearchQuery::new().limit(100)).await?;
        assert_eq!(page.total, page.hits.len() as u64);
        Ok(page.hits.into_iter().map(|hit| hit.id).collect())
    }

    pub async fn indices(&self) -> Vec<String> {
        indices(&self.transport, &self.prefix).await
    }

    pub async fn send(&self, method: Method, path: &str, body: String) -> Value {
        let path = format!("{}.{path}", self.prefix);
        let sent = self.transport.send(method, &path, HeaderMap::new(), None::<&()>, Some(body), None).await;
        sent.unwrap().json().await.unwrap()
    }
}

async fn indices(transport: &Transport, prefix: &str) -> Vec<String> {
    let path = format!("{prefix}.*/_alias");
    let sent = transport.send(Method::Get, &path, HeaderMap::new(), None::<&()>, None::<()>, None).await;
    let mut found: Vec<_> = sent.unwrap().json::<serde_json::Map<_, _>>().await.unwrap().into_iter().collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found.into_iter().map(|(name, _)| name).collect()
}

/// Deletes the indices, from a thread of its own: the test's runtime may be gone or panicking.
impl Drop for Place {
    fn drop(&mut self) {
        let prefix = self.prefix.clone();
        let done = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let transport = Transport::single_node(&url()).unwrap();
                let path = indices(&transport, &prefix).await.join(",");
                if !path.is_empty() {
                    let none = HeaderMap::new();
                    transport.send(Method::Delete, &path, none, None::<&()>, None::<()>, None).await.unwrap();
                }
            });
        });
        if done.join().is_err() && !std::thread::panicking() {
            panic!("the indices of {} could not be deleted", self.prefix);
        }
    }
}

pub fn put(key: &str, position: u64, document: &str) -> DocumentWrite {
    let document = Some(Payload::from_bytes(document.to_owned()));
    DocumentWrite { key: key.to_owned(), document, position: GlobalPosition::new(position) }
}

pub fn remove(key: &str, position: u64) -> DocumentWrite {
    DocumentWrite { key: key.to_owned(), document: None, position: GlobalPosition::new(position) }
}

pub fn batch(generation: Generation, from: u64, position: u64, token: u64, documents: Vec<DocumentWrite>) -> Batch {
    let checkpoint = Checkpoint {
        store_id: StoreId::from_uuid(uuid::Uuid::nil()),
        position: GlobalPosition::new(position),
        event_id: Some(EventId::from_uuid(uuid::Uuid::from_u128(u128::from(position)))),
        generation,
        token: FencingToken::new(token),
    };
    Batch { from: GlobalPosition::new(from), documents, checkpoint }
}
