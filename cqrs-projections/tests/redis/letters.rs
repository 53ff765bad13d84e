//! A document that Redis refuses waits with its events while all others go on.

use std::time::Duration;

use cqrs_core::in_memory::{InMemoryDeadLetterStore, InMemoryEventStore};
use cqrs_core::{
    Append, DeadLetterCause, DeadLetterState, Documents, DomainEvent, EventStore, GlobalPosition, NewEvent, Recorded,
    StreamName,
};
use cqrs_projections::{DeadLetterPermanent, ProjectError, Projections, Projector, Replay};
use serde::{Deserialize, Serialize};

use super::scratch::Scratch;

pub const SOON: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "visit")]
pub enum VisitEvent {
    Made { by: String },
}

pub struct Visits;

/// The positions of the visits: one that is lost, doubled or out of order shows.
impl Projector for Visits {
    type Event = VisitEvent;
    type Document = Vec<u64>;

    fn route(&self, event: &Recorded<VisitEvent>, to: &mut Vec<String>) {
        let VisitEvent::Made { by } = &event.event;
        to.push(by.clone());
    }

    fn project(
        &self,
        event: &Recorded<VisitEvent>,
        _: &str,
        visits: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ProjectError> {
        let mut visits = visits.unwrap_or_default();
        visits.push(event.position.get());
        Ok(Some(visits))
    }
}

pub async fn visit<const N: usize>(store: &InMemoryEventStore, by: [&str; N]) -> GlobalPosition {
    let stream = StreamName::new("visit-all").unwrap();
    let event = |by: &str| NewEvent::encode(stream.clone(), &VisitEvent::Made { by: by.to_owned() }).unwrap();
    store.append(Append::new(by.map(event).into())).await.unwrap().position
}

#[tokio::test]
async fn a_document_that_redis_refuses_waits_while_all_others_go_on() {
    let scratch = Scratch::new();
    let (store, letters) = (InMemoryEventStore::new(), InMemoryDeadLetterStore::new());
    let model = scratch.model().await;
    let running = Projections::new(store.clone())
        .dead_letters(letters)
        .error_policy(DeadLetterPermanent::default())
        .add("summary", Visits, model.clone())
        .start()
        .await
        .unwrap();
    let documents = Documents::<Vec<u64>>::new(model, "summary").unwrap();
    // Somebody else's, where the document of b belongs.
    let _: u64 = scratch.command(&["LPUSH", "{summary:1:0}:doc:b", "1"]);
    let last = visit(&store, ["a", "b", "a", "b", "c"]).await;
    let reached = running.wait_for(last, SOON).await.unwrap();
    assert_eq!((reached.dead_letters[0].count.documents, reached.dead_letters[0].count.letters), (1, 2));
    for (key, positions) in [("a", vec![1, 3]), ("c", vec![5])] {
        assert_eq!(documents.get(key).await.unwrap(), Some(positions), "{key}");
    }
    let seen = running.dead_letters("summary").unwrap();
    let found = seen.list(&seen.all().state(DeadLetterState::Failed)).await.unwrap().letters.remove(0);
    assert_eq!((found.document.as_deref(), found.event.position.get()), (Some("b"), 2));
    let failure = found.failure.unwrap();
    assert_eq!(failure.cause, DeadLetterCause::ReadModel);
    assert!(failure.error.contains("holds a list"), "{failure:?}");

    let _: u64 = scratch.command(&["DEL", "{summary:1:0}:doc:b"]);
    let last = visit(&store, ["b", "a"]).await;
    running.wait_for(last, SOON).await.unwrap();
    assert_eq!(seen.replay(Replay::Document("b".to_owned())).await.unwrap(), 1);
    let replayed = async {
        while documents.get("b").await.unwrap() != Some(vec![2, 4, 6]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, replayed).await.is_ok(), "{:?}", documents.get("b").await);
    let last = visit(&store, ["b"]).await;
    running.wait_for(last, SOON).await.unwrap();
    assert_eq!(documents.get("b").await.unwrap(), Some(vec![2, 4, 6, 8]));
    assert_eq!(documents.get("a").await.unwrap(), Some(vec![1, 3, 7]));
    running.stop().await;
}
