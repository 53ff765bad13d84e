//! The contract of [`ReadModel`]: one function per behaviour, each on a read model of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_core::{
    Batch, Checkpoint, DocumentWrite, EventId, FencingToken, Generation, GlobalPosition, Partitions, Payload,
    ProjectionName, ReadModel, ReadModelError, StoreId, Target,
};
use serde::{Deserialize, Serialize};

pub mod batches;
pub mod fencing;
pub mod generations;
pub mod listing;
pub mod loading;
pub mod partitions;
pub mod typed_reads;

pub(crate) type Model = Arc<dyn ReadModel>;

/// The one shape of all documents of the suite, so that a sink may declare it: integers and a text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Document {
    /// The positions of the events that are folded in: one that is folded twice or left out shows.
    pub seen: Vec<u64>,
    pub note: String,
}

pub(crate) fn seen(positions: &[u64]) -> Document {
    Document { seen: positions.to_vec(), note: "Ánh".to_owned() }
}

pub(crate) fn projection(name: &str) -> ProjectionName {
    ProjectionName::new(name).expect("the suite names its projections well")
}

pub(crate) fn token(number: u64) -> FencingToken {
    FencingToken::new(number)
}

pub(crate) fn partitions(count: u16) -> Partitions {
    Partitions::new(count).expect("the suite counts its partitions well")
}

/// The first partition of a projection that has one.
pub(crate) async fn open(model: &Model, name: &str) -> Target {
    open_of(model, name, 1).await
}

/// The first of several partitions.
pub(crate) async fn open_of(model: &Model, name: &str, count: u16) -> Target {
    let generation = model.open(&projection(name), partitions(count)).await.expect("the projection opens");
    Target { projection: projection(name), generation, partition: 0 }
}

/// A target of the projection `accounts` whose owner has token 1.
pub(crate) async fn owned(model: &Model) -> Target {
    let target = open(model, "accounts").await;
    fence(model, &target, 1).await;
    target
}

pub(crate) async fn fence(model: &Model, target: &Target, number: u64) -> Option<Checkpoint> {
    model.fence(target, token(number)).await.expect("the target is taken over")
}

/// The first of 16 partitions of the projection `accounts`; its owner has token 1.
pub(crate) async fn owned_of_16(model: &Model) -> Target {
    let target = open_of(model, "accounts", 16).await;
    fence(model, &target, 1).await;
    target
}

/// A generation begun beside the live one, owned with token 1.
pub(crate) async fn begin(model: &Model, target: &Target) -> Target {
    let generation = model.begin(&target.projection, Partitions::ONE).await.expect("a generation begins");
    let begun = Target { generation, ..target.clone() };
    fence(model, &begun, 1).await;
    begun
}

pub(crate) fn put(key: &str, positions: &[u64]) -> DocumentWrite {
    let last = positions.last().copied().unwrap_or_default();
    let document = Payload::encode(&seen(positions)).expect("a document has a JSON form");
    DocumentWrite { key: key.to_owned(), document: Some(document), position: GlobalPosition::new(last) }
}

pub(crate) fn remove(key: &str, position: u64) -> DocumentWrite {
    DocumentWrite { key: key.to_owned(), document: None, position: GlobalPosition::new(position) }
}

/// A batch of the owner with token 1, from one position to another.
pub(crate) fn batch(target: &Target, from: u64, to: u64, documents: Vec<DocumentWrite>) -> Batch {
    let checkpoint = Checkpoint {
        store_id: StoreId::from_uuid(EventId::new().as_uuid()),
        position: GlobalPosition::new(to),
        event_id: Some(EventId::new()),
        generation: target.generation,
        token: token(1),
    };
    Batch { from: GlobalPosition::new(from), documents, checkpoint }
}

pub(crate) fn under(mut batch: Batch, number: u64) -> Batch {
    batch.checkpoint.token = token(number);
    batch
}

pub(crate) async fn apply(model: &Model, target: &Target, batch: Batch) {
    model.apply(target, batch).await.expect("the batch is applied");
}

/// The documents with these keys. One that was removed is none, whether the sink remembers it or not.
pub(crate) async fn load(model: &Model, target: &Target, keys: &[&str]) -> Vec<Option<Document>> {
    let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
    let stored = model.load(target, &keys).await.expect("documents can be loaded");
    assert_eq!(stored.len(), keys.len(), "one answer for each key");
    let document = |payload: Payload| payload.decode().expect("a document comes back as it was written");
    stored.into_iter().map(|stored| stored?.document.map(document)).collect()
}

pub(crate) async fn checkpoint(model: &Model, target: &Target) -> Option<Checkpoint> {
    model.checkpoint(target).await.expect("the checkpoint can be read").1
}

/// Everything of a target that the suite can see.
pub(crate) async fn state(
    model: &Model,
    target: &Target,
    keys: &[&str],
) -> (Vec<Option<Document>>, Option<FencingToken>, Option<Checkpoint>) {
    let documents = load(model, target, keys).await;
    let (token, checkpoint) = model.checkpoint(target).await.expect("the checkpoint can be read");
    (documents, token, checkpoint)
}

/// A batch that must be refused and change nothing.
pub(crate) async fn refuse(model: &Model, target: &Target, batch: Batch, keys: &[&str]) -> ReadModelError {
    let before = state(model, target, keys).await;
    let error = model.apply(target, batch).await.expect_err("the batch is refused");
    assert_eq!(state(model, target, keys).await, before, "what is refused changes nothing");
    error
}

/// An event that touches one document: it adds its position, or removes the document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch {
    pub position: u64,
    pub key: &'static str,
    pub removes: bool,
}

pub(crate) const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// Forty events on four documents, with holes between their positions; each seventh removes its document.
pub(crate) fn touches() -> Vec<Touch> {
    (1..=40usize)
        .map(|number| Touch { position: number as u64 * 3, key: KEYS[number * number % 4], removes: number % 7 == 0 })
        .chain([Touch { position: 200, key: "c", removes: false }, Touch { position: 300, key: "d", removes: true }])
        .collect()
}

/// What the documents are after all of the events.
pub(crate) fn folded(touches: &[Touch]) -> Vec<Option<Document>> {
    let mut documents: BTreeMap<&str, Document> = BTreeMap::new();
    for touch in touches {
        if touch.removes {
            documents.remove(touch.key);
        } else {
            documents.entry(touch.key).or_insert_with(|| seen(&[])).seen.push(touch.position);
        }
    }
    KEYS.map(|key| documents.get(key).cloned()).to_vec()
}

/// The batch that a runner makes of these events: it loads the documents, skips the events that they reflect already, and
/// folds the others.
pub(crate) async fn fold(model: &Model, target: &Target, number: u64, from: u64, touches: &[Touch]) -> Batch {
    let mut writes = Vec::new();
    for key in KEYS.into_iter().filter(|key| touches.iter().any(|touch| touch.key == *key)) {
        let stored = model.load(target, &[key.to_owned()]).await.expect("documents can be loaded").remove(0);
        let mut position = stored.as_ref().map_or(0, |stored| stored.position.get());
        let mut document: Option<Document> = stored
            .and_then(|stored| stored.document)
            .map(|payload| payload.decode().expect("a document comes back as it was written"));
        for touch in touches.iter().filter(|touch| touch.key == key) {
            if touch.position > position {
                position = touch.position;
                match touch.removes {
                    true => document = None,
                    false => document.get_or_insert_with(|| seen(&[])).seen.push(touch.position),
                }
            }
        }
        let document = document.map(|document| Payload::encode(&document).expect("a document has a JSON form"));
        writes.push(DocumentWrite { key: key.to_owned(), document, position: GlobalPosition::new(position) });
    }
    let to = touches.last().map_or(from, |touch| touch.position);
    under(batch(target, from, to, writes), number)
}

/// What a runner does from its checkpoint to the end, so many events in a batch.
///
/// # Errors
/// The first that is not a call of its own that arrived late.
pub(crate) async fn deliver(
    model: &Model,
    target: &Target,
    number: u64,
    touches: &[Touch],
    cut: usize,
) -> Result<(), ReadModelError> {
    loop {
        let from = checkpoint(model, target).await.map_or(0, |checkpoint| checkpoint.position.get());
        let rest: Vec<_> = touches.iter().filter(|touch| touch.position > from).take(cut).copied().collect();
        if rest.is_empty() {
            return Ok(());
        }
        match model.apply(target, fold(model, target, number, from, &rest).await).await {
            Ok(()) | Err(ReadModelError::OutOfSequence { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

pub(crate) fn generation(number: u32) -> Generation {
    Generation::new(number)
}
