use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{LiveGeneration, Partitions, ReadModel, ReadModelError};
use cqrs_projections::{
    Batches, ProjectionError, ProjectionState, Projections, Running, StartError, StopReason, WaitError,
};

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, Spread, append, append_some, documents, generations, oracle, paid, quick, until};

const NAME: &str = "sheets";

async fn start(store: &FaultyStore, sink: &FaultySink, partitions: u16) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, Spread(partitions), sink.clone());
    projections.batches(Batches::default().events(7)).error_policy(quick()).start().await.unwrap()
}

/// Two accounts whose documents lie in different partitions, of two.
fn apart() -> (&'static str, &'static str) {
    let two = Partitions::new(2).unwrap();
    let other = ["b", "c", "d", "e"].into_iter().find(|key| two.of(key) != two.of("a"));
    ("a", other.unwrap())
}

#[tokio::test]
async fn documents_are_the_same_over_any_number_of_partitions() {
    for partitions in [1, 2, 3, 16] {
        let (store, sink) = (FaultyStore::default().page(7), FaultySink::default());
        append_some(&store, 0..30).await;
        let running = start(&store, &sink, partitions).await;
        let position = append_some(&store, 30..60).await;
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
        let status = running.status().await.swap_remove(0);
        assert_eq!(status.partitions.len(), usize::from(partitions));
        assert!(status.partitions.iter().all(|one| one.position >= position && one.lag == Some(0)), "{status:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_number_of_partitions_that_there_cannot_be_starts_nothing() {
    for partitions in [0, 1_025] {
        let sink = InMemoryReadModel::new();
        let projections = Projections::new(InMemoryEventStore::new()).add(NAME, Spread(partitions), sink.clone());
        let refused = projections.start().await;
        assert!(matches!(refused, Err(StartError::InvalidPartitions { .. })), "{refused:?}");
        assert_eq!(sink.live(&NAME.parse().unwrap()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn waiting_is_for_the_partition_that_is_furthest_behind() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink, 2).await;
    let (one, other) = apart();
    let gate = sink.faults.gate("apply");
    append(&store, vec![paid(one, 1)]).await;
    gate.reached().await;
    // Nothing is written to the other one's partition: it is there at once.
    let position = append(&store, vec![paid(one, 1)]).await;
    until("the other partition is there", || async {
        running.status().await[0].partitions.iter().any(|partition| partition.position >= position)
    })
    .await;
    let waited = running.wait_for(position, std::time::Duration::ZERO).await;
    assert!(matches!(waited, Err(WaitError::Timeout { .. })), "{waited:?}");
    drop(gate);
    let position = append(&store, vec![paid(other, 1)]).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn an_event_that_one_partition_refuses_stops_that_partition_alone() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink, 2).await;
    let (one, other) = apart();
    let refused = append(&store, vec![paid(one, 13)]).await;
    let position = append(&store, vec![paid(one, 1), paid(other, 5)]).await;
    match running.wait_for(position, LONG).await {
        Err(WaitError::Stopped { source: Some(ProjectionError::Project { position, .. }), .. }) => {
            assert_eq!(position, refused);
        }
        waited => panic!("{waited:?}"),
    }
    until("the other partition goes on", || async {
        running.status().await[0].partitions.iter().any(|partition| partition.position >= position)
    })
    .await;
    let status = running.status().await.swap_remove(0);
    assert_eq!((status.state, status.position), (ProjectionState::Stopped(StopReason::Failed), refused.previous()));
    assert_eq!(documents(&sink.inner(), NAME).await.keys().collect::<Vec<_>>(), [other]);
}

#[tokio::test]
async fn another_number_of_partitions_is_found_and_a_rebuild_heals_it() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    for partitions in [1, 3, 2] {
        let running = start(&store, &sink, partitions).await;
        let position = append_some(&store, 0..20).await;
        if partitions != 1 {
            let waited = running.wait_for(position, LONG).await;
            let Err(WaitError::Stopped { source: Some(ProjectionError::ReadModel(error)), .. }) = waited else {
                panic!("{waited:?}")
            };
            assert!(matches!(error, ReadModelError::Mismatch { .. }), "{error:?}");
            running.rebuild(NAME).batch(9).await.unwrap();
        }
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
        let live: Option<LiveGeneration> = sink.inner().live(&NAME.parse().unwrap()).await.unwrap();
        assert_eq!(live.map(|live| live.partitions.get()), Some(partitions));
        running.stop().await;
    }
    assert_eq!(generations(&sink.inner(), NAME).await, [3]);
}

#[tokio::test]
async fn a_rebuild_fills_all_partitions_whatever_fails_meanwhile() {
    for (cut, fault) in [(1, Fault::Before), (4, Fault::After), (30, Fault::Torn)] {
        let (store, sink) = (FaultyStore::default(), FaultySink::default());
        let running = start(&store, &sink, 4).await;
        append_some(&store, 0..40).await;
        // Some partitions have written a batch when another fails, and are further then.
        let mixed = [Fault::None, fault, Fault::None, Fault::None, Fault::None, Fault::None, fault, fault];
        sink.faults.next("fill", mixed);
        running.rebuild(NAME).batch(cut).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await, "{cut} {fault:?}");
        let position = append_some(&store, 40..50).await;
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await, "{cut} {fault:?}");
    }
}
