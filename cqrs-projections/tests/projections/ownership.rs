use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{GlobalPosition, ReadModelError};
use cqrs_projections::{ProjectionError, ProjectionState, Projections, Running, StopReason, WaitError};

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, Sheets, append_some, documents, oracle, quick};

const NAME: &str = "sheets";

fn fenced(waited: Result<cqrs_projections::Reached, WaitError>) -> bool {
    let Err(WaitError::Stopped { source: Some(ProjectionError::ReadModel(error)), .. }) = waited else {
        return false;
    };
    matches!(error, ReadModelError::Fenced { .. })
}

#[tokio::test]
async fn a_second_owner_takes_over_and_the_first_stops() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    let start = || Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).start();
    let first = start().await.unwrap();
    let position = append_some(&store, 0..4).await;
    first.wait_for(position, LONG).await.unwrap();
    let second = start().await.unwrap();
    let position = append_some(&store, 4..8).await;
    second.wait_for(position, LONG).await.unwrap();
    assert!(fenced(first.wait_for(GlobalPosition::MAX, LONG).await));
    assert_eq!(first.status().await[0].state, ProjectionState::Stopped(StopReason::Failed));
    let position = append_some(&store, 8..12).await;
    second.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink, NAME).await, oracle(&store).await);
}

#[tokio::test]
async fn a_former_owner_does_not_take_back_what_it_lost_while_it_was_failing() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let start = || Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).error_policy(quick()).start();
    let first = start().await.unwrap();
    let gate = sink.faults.gate("apply");
    append_some(&store, 0..4).await;
    gate.reached().await;
    let second = start().await.unwrap();
    sink.faults.next("checkpoint", [Fault::Before]);
    drop(gate);
    assert!(fenced(first.wait_for(GlobalPosition::MAX, LONG).await));
    let position = append_some(&store, 4..8).await;
    second.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn of_many_that_start_at_once_one_remains_and_the_documents_are_right() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..4).await;
    let start = || Projections::new(store.clone()).add(NAME, Sheets, sink.clone()).error_policy(quick()).start();
    let all: Vec<Running> = futures::future::try_join_all((0..8).map(|_| start())).await.unwrap();
    let position = append_some(&store, 4..8).await;
    let waits = all.iter().map(|one| one.wait_for(position, LONG));
    let waits = futures::future::join_all(waits).await;
    assert!(waits.iter().any(Result::is_ok));
    assert!(waits.into_iter().all(|waited| waited.is_ok() || fenced(waited)));
    // A write tells every former owner.
    let position = append_some(&store, 8..12).await;
    let waits = futures::future::join_all(all.iter().map(|one| one.wait_for(position, LONG))).await;
    assert_eq!(waits.iter().filter(|waited| waited.is_ok()).count(), 1);
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn a_former_owner_does_not_take_the_generation_that_another_process_swapped_in() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let start = |sink| Projections::new(store.clone()).add(NAME, Sheets, sink).error_policy(quick()).start();
    let first = start(sink.clone()).await.unwrap();
    let gate = sink.faults.gate("apply");
    append_some(&store, 0..4).await;
    gate.reached().await;
    let second = start(sink.elsewhere()).await.unwrap();
    second.rebuild(NAME).await.unwrap();
    drop(gate);
    assert!(fenced(first.wait_for(GlobalPosition::MAX, LONG).await));
    let position = append_some(&store, 4..8).await;
    second.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}
