use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{Documents, GlobalPosition, Recorded};
use cqrs_projections::{
    Backoff, Enrich, EnrichError, Enriched, Enrichment, ErrorClass, ProjectError, ProjectionError, ProjectionState,
    Projections, Projector, WaitError,
};
use tokio::sync::watch;

use crate::ledger::{LONG, LedgerEvent, Sheets, append, paid, quick};

const NAME: &str = "names";

/// What the outside says next; "a name" when nothing is left.
#[derive(Debug, Clone)]
enum Answer {
    Name,
    Nothing,
    Away,
    Never,
    Silence,
    TooFew,
}

/// A service that names accounts.
#[derive(Debug, Clone)]
struct Names {
    answers: Arc<Mutex<Vec<Answer>>>,
    /// How many events each call was about.
    calls: watch::Sender<Vec<usize>>,
}

impl Names {
    fn answering(answers: &[Answer]) -> Self {
        let answers = answers.iter().rev().cloned().collect();
        Self { answers: Arc::new(Mutex::new(answers)), calls: watch::Sender::default() }
    }
}

#[async_trait]
impl Enrich for Names {
    type Event = LedgerEvent;
    type Enrichment = String;

    async fn enrich(
        &self,
        events: &[Recorded<Enriched<LedgerEvent, String>>],
    ) -> Result<Vec<Option<String>>, EnrichError> {
        self.calls.send_modify(|calls| calls.push(events.len()));
        let answer = self.answers.lock().unwrap().pop().unwrap_or(Answer::Name);
        let name = |event: &Recorded<_>| Some(format!("name of {}", event.position));
        match answer {
            Answer::Name => Ok(events.iter().map(name).collect()),
            Answer::Nothing => Ok(events.iter().map(|_| None).collect()),
            Answer::Away => Err(EnrichError::transient("away")),
            Answer::Never => Err(EnrichError::permanent("no such service")),
            Answer::Silence => std::future::pending().await,
            Answer::TooFew => Ok(events.iter().skip(1).map(name).collect()),
        }
    }
}

/// What was fetched for each event, by position.
struct Fetched;

impl Projector for Fetched {
    type Event = Enriched<LedgerEvent, String>;
    type Document = HashMap<u64, Option<String>>;

    fn route(&self, _: &Recorded<Self::Event>, to: &mut Vec<String>) {
        to.push("all".to_owned());
    }

    fn project(
        &self,
        event: &Recorded<Self::Event>,
        _: &str,
        document: Option<Self::Document>,
    ) -> Result<Option<Self::Document>, ProjectError> {
        assert!(matches!(*event.event, LedgerEvent::Paid { .. }));
        let mut all = document.unwrap_or_default();
        all.insert(event.position.get(), event.event.enrichment.clone());
        Ok(Some(all))
    }
}

fn enrichment(names: &Names) -> Enrichment<Names> {
    Enrichment::new(names.clone())
        .at_once(2)
        .attempts(3, Backoff::new(Duration::from_millis(5), Duration::from_millis(50)))
}

async fn fetched(sink: &InMemoryReadModel) -> HashMap<u64, Option<String>> {
    Documents::new(sink.clone(), NAME).unwrap().get("all").await.unwrap().unwrap_or_default()
}

fn named(positions: std::ops::RangeInclusive<u64>) -> HashMap<u64, Option<String>> {
    positions.map(|position| (position, Some(format!("name of {position}")))).collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_enriched_a_few_at_a_time_and_again_after_a_failure() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    append(&store, vec![paid("a", 1), paid("b", 2), paid("c", 3)]).await;
    let names = Names::answering(&[Answer::Away, Answer::Silence, Answer::Name]);
    let projections = Projections::new(store.clone()).add_enriched(NAME, enrichment(&names), Fetched, sink.clone());
    let running = projections.start().await.unwrap();
    running.wait_for(GlobalPosition::new(3), LONG).await.unwrap();
    assert_eq!(fetched(&sink).await, named(1..=3));
    assert_eq!(*names.calls.borrow(), [2, 2, 2, 1]);
    assert_eq!(running.status().await[0].retries, 0, "the stage has retries of its own");
    running.rebuild(NAME).await.unwrap();
    assert_eq!(fetched(&sink).await, named(1..=3));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_had_is_none() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    append(&store, vec![paid("a", 1)]).await;
    let names = Names::answering(&[Answer::Nothing]);
    let projections = Projections::new(store).add_enriched(NAME, enrichment(&names), Fetched, sink.clone());
    let running = projections.start().await.unwrap();
    running.wait_for(GlobalPosition::new(1), LONG).await.unwrap();
    assert_eq!(fetched(&sink).await, HashMap::from([(1, None)]));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_for_long_is_left_to_the_policy_and_siblings_go_on() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    let names = Names::answering(&vec![Answer::Away; 20]);
    let projections = Projections::new(store.clone())
        .add_enriched(NAME, enrichment(&names), Fetched, sink.clone())
        .add("sheets", Sheets, sink.clone())
        .error_policy(quick());
    let running = projections.start().await.unwrap();
    let position = append(&store, vec![paid("a", 1)]).await;
    running.wait_for_one("sheets", position, LONG).await.unwrap();
    running.wait_for(position, LONG).await.unwrap();
    let status = running.status().await.remove(0);
    assert_eq!(status.state, ProjectionState::Live);
    assert_eq!(status.retries, 6, "of 20 failures each third was the last of its attempts");
    assert!(
        matches!(status.error, Some(error @ ProjectionError::Enrich { .. }) if error.class() == ErrorClass::Transient)
    );
    assert_eq!(fetched(&sink).await, named(1..=1));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_fetched_stops_the_projection_before_the_event() {
    for answer in [Answer::Never, Answer::TooFew] {
        let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
        let names = Names::answering(&[Answer::Name, answer]);
        let projections = Projections::new(store.clone()).add_enriched(NAME, enrichment(&names), Fetched, sink.clone());
        let running = projections.start().await.unwrap();
        let position = append(&store, vec![paid("a", 1)]).await;
        running.wait_for(position, LONG).await.unwrap();
        let position = append(&store, vec![paid("a", 1)]).await;
        let Err(WaitError::Stopped { source: Some(error), at, .. }) = running.wait_for(position, LONG).await else {
            panic!("it goes on")
        };
        assert!(matches!(&error, ProjectionError::Enrich { position: first, .. } if *first == position), "{error:?}");
        assert_eq!((error.class(), at.get()), (ErrorClass::Permanent, 1));
        assert_eq!(fetched(&sink).await, named(1..=1));
    }
}
