use std::sync::{Arc, Weak};
use std::time::Duration;

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{EventStore, GlobalPosition, ReadModel, Recorded, Target};
use cqrs_projections::{
    ProjectError, ProjectionError, ProjectionState, Projections, Projector, StartError, StopReason, WaitError,
};

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, LedgerEvent, Sheets, append, append_some, documents, noise, oracle, paid, quick, until};

const NAME: &str = "sheets";

#[tokio::test]
async fn documents_follow_the_log() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    append_some(&store, 0..10).await;
    let running = Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start().await.unwrap();
    for seed in 10..20 {
        let position = append_some(&store, seed..seed + 1).await;
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&sink, NAME).await, oracle(&store).await);
    }
    let status = running.status().await;
    assert_eq!((status[0].state, status[0].lag), (ProjectionState::Live, Some(0)));
    running.stop().await;
}

#[tokio::test]
async fn a_name_that_is_invalid_or_used_twice_starts_nothing() {
    let sink = FaultySink::default();
    let projections = || Projections::new(InMemoryEventStore::new()).add("one", Sheets, sink.clone());
    assert!(matches!(projections().add("Two", Sheets, sink.clone()).start().await, Err(StartError::InvalidName(_))));
    let twice = projections().add("one", Sheets, sink.clone()).start().await;
    assert!(matches!(twice, Err(StartError::DuplicateName { name }) if name.as_str() == "one"));
    assert_eq!(sink.faults.calls("open"), 0);
}

#[tokio::test]
async fn events_that_are_not_wanted_count_as_reached() {
    let (store, sink) = (InMemoryEventStore::new(), FaultySink::default());
    let running = Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start().await.unwrap();
    let position = append(&store, vec![noise()]).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(sink.faults.calls("apply"), 0, "a step that changes nothing is not worth a write");
}

#[tokio::test]
async fn the_checkpoint_passes_long_stretches_that_change_nothing() {
    let (store, sink) = (InMemoryEventStore::new(), FaultySink::default());
    let running = Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start().await.unwrap();
    let mut position = GlobalPosition::START;
    for _ in 0..11 {
        position = append(&store, (0..1_000).map(|_| noise()).collect()).await;
    }
    running.wait_for(position, LONG).await.unwrap();
    let generation = running.status().await[0].generation.unwrap();
    let target = Target { projection: NAME.parse().unwrap(), generation, partition: 0 };
    let (_, checkpoint) = sink.inner().checkpoint(&target).await.unwrap();
    let checkpoint = checkpoint.unwrap();
    assert!(checkpoint.position.get() >= 10_000, "{checkpoint:?}");
    running.stop().await;

    let running = Projections::new(store).add(NAME, Sheets, sink).start().await.unwrap();
    running.wait_for(position, LONG).await.unwrap();
}

#[tokio::test]
async fn a_wait_that_is_too_short_names_those_that_lag() {
    let (store, slow, fast) = (InMemoryEventStore::new(), FaultySink::default(), FaultySink::default());
    let running = Projections::new(store.clone())
        .add("slow", Sheets, slow.clone())
        .add("fast", Sheets, fast)
        .start()
        .await
        .unwrap();
    let gate = slow.faults.gate("apply");
    let position = append_some(&store, 0..1).await;
    running.wait_for_one("fast", position, LONG).await.unwrap();
    let Err(WaitError::Timeout { lagging, .. }) = running.wait_for(position, Duration::from_millis(5)).await else {
        panic!("the slow one cannot have reached it");
    };
    assert_eq!(lagging.len(), 1);
    assert_eq!((lagging[0].name.as_str(), lagging[0].at), ("slow", GlobalPosition::START));
    drop(gate);
    running.wait_for(position, LONG).await.unwrap();
    let unknown = running.wait_for_one("none", position, LONG).await;
    assert!(matches!(unknown, Err(WaitError::UnknownProjection { .. })));
}

#[tokio::test]
async fn one_that_fails_stops_alone_and_nobody_waits_for_it_in_vain() {
    let (store, bad, good) = (InMemoryEventStore::new(), FaultySink::default(), FaultySink::default());
    let running = Projections::new(store.clone())
        .add("bad", Sheets, bad.clone())
        .add("good", Sheets, good.clone())
        .start()
        .await
        .unwrap();
    bad.faults.always("apply", Fault::Permanent);
    let position = append_some(&store, 0..5).await;
    match running.wait_for(position, LONG).await {
        Err(WaitError::Stopped { name, source: Some(ProjectionError::ReadModel(_)), .. }) => {
            assert_eq!(name.as_str(), "bad");
        }
        other => panic!("{other:?}"),
    }
    running.wait_for_one("good", position, LONG).await.unwrap();
    assert_eq!(documents(&good.inner(), "good").await, oracle(&store).await);
    let status = running.status().await;
    assert_eq!(status[0].state, ProjectionState::Stopped(StopReason::Failed));
    assert!(status[0].error.is_some());
    assert_eq!((status[0].attempts, status[0].retries), (1, 0), "it was not tried again");
    assert_eq!(status[1].state, ProjectionState::Live);
}

#[tokio::test]
async fn a_refused_event_stops_the_projection_just_before_it() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    append(&store, vec![paid("a", 1), paid("b", 2)]).await;
    let before = oracle(&store).await;
    let refused = append(&store, vec![paid("a", 13), paid("b", 5)]).await.previous();
    let running = Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start().await.unwrap();
    match running.wait_for(refused, LONG).await {
        Err(WaitError::Stopped { source: Some(ProjectionError::Project { position, key, source, .. }), .. }) => {
            assert_eq!((position, key.as_str(), source.reason()), (refused, "a", "13 is refused"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(documents(&sink, NAME).await, before);
}

#[tokio::test]
async fn stopping_finishes_the_batch_that_is_being_written() {
    let (store, sink) = (InMemoryEventStore::new(), FaultySink::default());
    let running = Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start().await.unwrap();
    let gate = sink.faults.gate("apply");
    append_some(&store, 0..3).await;
    gate.reached().await;
    let stopped = tokio::spawn(running.stop());
    tokio::task::yield_now().await;
    drop(gate);
    stopped.await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store).await);
}

#[tokio::test]
async fn a_sink_that_is_away_does_not_keep_the_others_from_starting_nor_from_stopping() {
    let (store, away, good) = (InMemoryEventStore::new(), FaultySink::default(), FaultySink::default());
    away.faults.always("open", Fault::Before);
    let running = Projections::new(store.clone())
        .add("away", Sheets, away.clone())
        .add("good", Sheets, good)
        .error_policy(quick())
        .start()
        .await
        .unwrap();
    let position = append_some(&store, 0..3).await;
    running.wait_for_one("good", position, LONG).await.unwrap();
    until("it is seen to retry", || async { running.status().await[0].attempts > 3 }).await;
    let status = running.status().await.swap_remove(0);
    assert!(matches!(status.error, Some(ProjectionError::ReadModel(_))));
    assert_eq!(status.generation, None);
    away.faults.heal();
    running.wait_for(position, LONG).await.unwrap();
    away.faults.always("apply", Fault::Before);
    append_some(&store, 3..4).await;
    until("it is seen to retry", || async { running.status().await[0].attempts > 3 }).await;
    running.stop().await;
}

/// A projector that can be seen to be gone.
struct Watched(#[allow(dead_code, reason = "held to be dropped")] Arc<()>);

impl Projector for Watched {
    type Event = LedgerEvent;
    type Document = ();

    fn route(&self, _: &Recorded<LedgerEvent>, _: &mut Vec<String>) {}

    fn project(&self, _: &Recorded<LedgerEvent>, _: &str, _: Option<()>) -> Result<Option<()>, ProjectError> {
        Ok(None)
    }
}

#[tokio::test]
async fn dropping_what_runs_ends_its_tasks() {
    let alive = Arc::new(());
    let seen: Weak<()> = Arc::downgrade(&alive);
    let store = FaultyStore::default();
    let projections = Projections::new(store.clone()).add(NAME, Watched(alive), InMemoryReadModel::new());
    let running = projections.start().await.unwrap();
    let position = append(&store, vec![paid("a", 1)]).await;
    running.wait_for(position, LONG).await.unwrap();
    assert!(seen.upgrade().is_some());
    drop(running);
    until("the projector is dropped", || async { seen.upgrade().is_none() }).await;
    store.head().await.unwrap();
}

/// Panics where no projector may.
struct Broken;

impl Projector for Broken {
    type Event = LedgerEvent;
    type Document = ();

    fn route(&self, _: &Recorded<LedgerEvent>, _: &mut Vec<String>) {
        panic!("broken")
    }

    fn project(&self, _: &Recorded<LedgerEvent>, _: &str, _: Option<()>) -> Result<Option<()>, ProjectError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_projector_that_panics_is_stopped_with_the_reason() {
    let store = InMemoryEventStore::new();
    let projections = Projections::new(store.clone()).add(NAME, Broken, InMemoryReadModel::new());
    let running = projections.start().await.unwrap();
    let position = append(&store, vec![paid("a", 1)]).await;
    match running.wait_for(position, LONG).await {
        Err(WaitError::Stopped { source: Some(ProjectionError::Project { source, .. }), .. }) => {
            assert_eq!(source.reason(), "panicked: broken");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn status_is_told_while_the_store_does_not_answer() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start().await.unwrap();
    let position = append_some(&store, 0..1).await;
    running.wait_for(position, LONG).await.unwrap();
    let held = sink.faults.gate("apply");
    append_some(&store, 1..2).await;
    held.reached().await;
    for operation in ["head", "read_all"] {
        let gate = store.faults.gate(operation);
        let start = tokio::time::Instant::now();
        let status = running.status().await.swap_remove(0);
        assert!(start.elapsed() <= Duration::from_secs(2), "{operation}: {:?}", start.elapsed());
        assert_eq!((status.position, status.state), (position, ProjectionState::Live), "{operation}");
        drop(gate);
    }
}
