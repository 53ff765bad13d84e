use std::sync::Arc;

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{
    Append, DocumentPage, DomainEvent, EventStore, NewEvent, Partitions, Payload, ReadAll, ReadModel, Recorded,
    RecordedEvent, StreamName, Target,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::batch::{Fold, Folding, Share};
use crate::projector::{ProjectError, Projector};
use crate::runner::{Cache, Letters, Owner, verify};

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "list")]
enum ListEvent {
    Extended { list: u8 },
    Removed { list: u8 },
}

/// Documents are the positions of their events: one that is lost, doubled or folded onto something old shows.
struct Lists;

impl Projector for Lists {
    type Event = ListEvent;
    type Document = Vec<u64>;

    fn route(&self, event: &Recorded<ListEvent>, to: &mut Vec<String>) {
        let (ListEvent::Extended { list } | ListEvent::Removed { list }) = event.event;
        to.push(format!("list-{list}"));
    }

    fn project(
        &self,
        event: &Recorded<ListEvent>,
        _: &str,
        document: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ProjectError> {
        let mut positions = document.unwrap_or_default();
        positions.push(event.position.get());
        Ok(matches!(event.event, ListEvent::Extended { .. }).then_some(positions))
    }
}

struct Scene {
    store: Arc<dyn EventStore>,
    model: Arc<dyn ReadModel>,
    fold: Folding<Lists>,
    events: Vec<RecordedEvent>,
}

impl Scene {
    async fn of(events: &[ListEvent]) -> Self {
        let store = InMemoryEventStore::new();
        let stream = StreamName::new("list-all").unwrap();
        let encoded = events.iter().map(|event| NewEvent::encode(stream.clone(), event).unwrap());
        store.append(Append::new(encoded.collect())).await.unwrap();
        let events = store.read_all(ReadAll::after(GlobalPosition::START)).await.unwrap().events;
        Self { store: Arc::new(store), model: Arc::new(InMemoryReadModel::new()), fold: Folding::new(Lists), events }
    }

    /// A writer of a new generation that keeps next to nothing in memory.
    async fn writer(&self) -> (Writer, Target) {
        let projection = "lists".parse().unwrap();
        let generation = self.model.begin(&projection, Partitions::ONE).await.unwrap();
        let (owner, checkpoint) =
            Owner::take(&*self.model, Target { projection, generation, partition: 0 }).await.unwrap();
        let standing = verify(&self.store, &owner.target, checkpoint).await.unwrap();
        let letters = Letters::take_over(None, &owner, standing.position).await.unwrap();
        let (target, cache) = (owner.target.clone(), Cache::of_empty(300));
        let (store, model) = (Arc::clone(&self.store), Arc::clone(&self.model));
        (Writer::new(store, model, owner, &standing, cache, letters), target)
    }

    async fn planned(&self, page: &[RecordedEvent]) -> (Planned, GlobalPosition) {
        let share = Share { partition: 0, after: GlobalPosition::START };
        let planned = self.fold.plan_one(page.to_vec(), Partitions::ONE, share, &Judge::strict()).await;
        (planned, page.last().unwrap().position)
    }

    async fn documents(&self, target: &Target) -> Vec<(String, Payload, GlobalPosition)> {
        let page: DocumentPage =
            self.model.list(&target.projection, target.generation, None, usize::MAX).await.unwrap();
        page.documents.into_iter().map(|(key, found)| (key, found.document.unwrap(), found.position)).collect()
    }
}

async fn same_as_page_by_page(mut events: Vec<ListEvent>, page: usize, bounds: Bounds) {
    // The last one changes something: both store its position.
    events.push(ListEvent::Extended { list: 0 });
    let scene = Scene::of(&events).await;
    let ((mut one, expected), (mut other, found)) = (scene.writer().await, scene.writer().await);
    for page in scene.events.chunks(page) {
        let (planned, scanned_to) = scene.planned(page).await;
        one.write(planned, scanned_to, &Judge::strict()).await.unwrap();
        let (planned, scanned_to) = scene.planned(page).await;
        other.fold_ahead(planned, scanned_to, &Judge::strict(), bounds).await.unwrap();
    }
    other.flush(bounds.at_once).await.unwrap();
    assert_eq!(scene.documents(&found).await, scene.documents(&expected).await);
    let head = scene.events.last().unwrap().position;
    assert_eq!((one.stored(), other.stored()), (head, head));
    let (_, checkpoint) = scene.model.checkpoint(&found).await.unwrap();
    assert_eq!(
        checkpoint.map(|stored| (stored.position, stored.event_id)),
        Some((head, Some(scene.events.last().unwrap().id)))
    );
}

fn event() -> impl Strategy<Value = ListEvent> {
    let list = 0..12_u8;
    prop_oneof![
        5 => list.clone().prop_map(|list| ListEvent::Extended { list }),
        1 => list.prop_map(|list| ListEvent::Removed { list }),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (1..8_usize, 1..4_usize, 1..200_usize, 1..30_usize).prop_map(|(documents, at_once, bytes, events)| Bounds {
        documents,
        at_once,
        bytes,
        events,
    })
}

proptest! {
    #[test]
    fn what_is_folded_ahead_comes_to_the_same_documents(
        events in vec(event(), 1..120), page in 1..9_usize, bounds in bounds(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(same_as_page_by_page(events, page, bounds));
    }
}

#[test]
fn removals_and_lookups_are_written_last_with_the_checkpoint() {
    let write = |key: &str, document: Option<&str>| DocumentWrite {
        key: key.to_owned(),
        document: document.map(|json| Payload::from_bytes(json.to_owned())),
        position: GlobalPosition::new(1),
    };
    let lookup = cqrs_core::lookup_key("i");
    let documents = vec![
        write("a", Some("1")),
        write("b", None),
        write(&lookup, Some("2")),
        write("c", Some("3")),
        write("d", Some("4")),
    ];
    let (first, last) = cut(documents.clone(), 2);
    let keys = |writes: &[DocumentWrite]| writes.iter().map(|write| write.key.clone()).collect::<Vec<_>>();
    assert_eq!(first.iter().map(|writes| keys(writes)).collect::<Vec<_>>(), [vec!["a", "c"], vec!["d"]]);
    assert_eq!(keys(&last), ["b".to_owned(), lookup]);
    assert_eq!(cut(documents.clone(), 5), (Vec::new(), documents));
}
