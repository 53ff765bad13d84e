use std::time::Duration;

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{EventStore, Generation, GlobalPosition, Partitions, ReadModel};
use cqrs_projections::{Batches, ProjectionError, ProjectionState, Projections, Running, StopReason, WaitError};

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, Sheets, Spread, append, append_some, documents, oracle, paid, quick, until};

const NAME: &str = "sheets";

async fn start(store: &FaultyStore, sink: &FaultySink) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, Sheets, sink.clone());
    projections.batches(Batches::default().events(3)).error_policy(quick()).start().await.unwrap()
}

async fn stopped(running: &Running) -> ProjectionError {
    match running.wait_for(GlobalPosition::MAX, LONG).await {
        Err(WaitError::Stopped { source: Some(error), .. }) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn documents_are_right_whatever_call_of_the_sink_fails_and_however() {
    for operation in ["open", "checkpoint", "fence", "load", "apply"] {
        for fault in [Fault::Before, Fault::After, Fault::Torn] {
            let (store, sink) = (FaultyStore::default().page(3), FaultySink::default());
            append_some(&store, 0..6).await;
            sink.faults.next(operation, [fault, fault, Fault::None, fault]);
            let running = start(&store, &sink).await;
            let position = append_some(&store, 6..12).await;
            running.wait_for(position, LONG).await.unwrap();
            assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await, "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn documents_are_right_whatever_call_of_the_store_fails() {
    for operation in ["head", "read_all", "subscribe", "page"] {
        let (store, sink) = (FaultyStore::default().page(3), FaultySink::default());
        append_some(&store, 0..6).await;
        store.faults.next(operation, [Fault::Before, Fault::After, Fault::None, Fault::Before]);
        let running = start(&store, &sink).await;
        let position = append_some(&store, 6..12).await;
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await, "{operation}");
    }
}

#[tokio::test]
async fn a_restart_goes_on_from_the_checkpoint() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let position = append_some(&store, 0..6).await;
    let running = start(&store, &sink).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;
    let applied = sink.faults.calls("apply");

    let running = start(&store, &sink).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(sink.faults.calls("apply"), applied, "nothing is folded again");
    let position = append_some(&store, 6..8).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn a_sink_that_lost_everything_is_filled_again() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    let position = append_some(&store, 0..6).await;
    running.wait_for(position, LONG).await.unwrap();

    sink.lose_all();
    sink.faults.next("apply", [Fault::Before]);
    let position = append_some(&store, 6..8).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn a_sink_that_lost_everything_after_a_rebuild_is_filled_again() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    append_some(&store, 0..6).await;
    running.rebuild(NAME).await.unwrap();
    let position = append_some(&store, 6..7).await;
    running.wait_for(position, LONG).await.unwrap();

    sink.lose_all();
    sink.faults.next("fill", [Fault::Before]);
    let position = append_some(&store, 7..8).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

/// Another generation is live, as empty as one that was opened anew, and the one before it is gone.
async fn replaced(sink: &FaultySink, partitions: u16) -> Generation {
    let (model, name) = (sink.inner(), NAME.parse().unwrap());
    let live = model.live(&name).await.unwrap().unwrap().generation;
    let next = model.begin(&name, Partitions::new(partitions).unwrap()).await.unwrap();
    model.swap(&name, next).await.unwrap();
    model.drop_generation(&name, live).await.unwrap();
    next
}

#[tokio::test]
async fn a_live_generation_that_was_deleted_is_filled_again_under_another_number() {
    for partitions in [1, 3] {
        let (store, sink) = (FaultyStore::default(), FaultySink::default());
        let projections = Projections::new(store.clone()).add(NAME, Spread(partitions), sink.clone());
        let running = projections.error_policy(quick()).start().await.unwrap();
        let position = append_some(&store, 0..6).await;
        running.wait_for(position, LONG).await.unwrap();
        // Again and again, also before it was filled.
        for seed in 6..9 {
            let next = replaced(&sink, partitions).await;
            let position = append_some(&store, seed..seed + 1).await;
            until("all partitions write it", || async { running.status().await[0].generation == Some(next) }).await;
            running.wait_for(position, LONG).await.unwrap();
            assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_lost_does_not_count_as_reached_and_the_status_shows_that_it_is_filled_again() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    let reached = append_some(&store, 0..6).await;
    running.wait_for(reached, LONG).await.unwrap();

    replaced(&sink, 1).await;
    let (opening, filling) = (sink.faults.gate("open"), sink.faults.gate("fill"));
    let position = append_some(&store, 6..8).await;
    opening.reached().await;
    let short = Duration::from_millis(5);
    let Err(WaitError::Timeout { lagging, .. }) = running.wait_for(reached, short).await else {
        panic!("it is not known what is left");
    };
    assert_eq!(lagging[0].at, GlobalPosition::START);
    drop(opening);
    filling.reached().await;
    assert!(running.wait_for(reached, short).await.is_err());
    let status = running.status().await.swap_remove(0);
    assert_eq!((status.state, status.position), (ProjectionState::CatchingUp, GlobalPosition::START));
    drop(filling);
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn what_one_partition_finds_lost_all_of_them_fill_again() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let projections = Projections::new(store.clone()).add(NAME, Spread(4), sink.clone());
    let running = projections.error_policy(quick()).start().await.unwrap();
    for round in 0..3 {
        append_some(&store, 5 * round..5 * round + 5).await;
        // One document, in one partition.
        let position = append(&store, vec![paid("a", 20)]).await;
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
        sink.lose_all();
    }
    let position = append(&store, vec![paid("a", 20)]).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn a_sink_that_lost_everything_without_a_word_is_found_out_and_filled_again() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    let position = append_some(&store, 0..6).await;
    running.wait_for(position, LONG).await.unwrap();

    sink.lose_all();
    // Creates the generation that was lost, so that the batch that comes next is merely out of sequence.
    sink.inner().open(&NAME.parse().unwrap(), Partitions::ONE).await.unwrap();
    let position = append_some(&store, 6..8).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn documents_of_another_store_are_left_alone() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let position = append_some(&store, 0..6).await;
    let running = start(&store, &sink).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;
    let before = documents(&sink.inner(), NAME).await;

    let other = FaultyStore::default();
    append_some(&other, 5..20).await;
    let running = start(&other, &sink).await;
    let expected = store.head().await.unwrap().store_id;
    assert!(matches!(stopped(&running).await, ProjectionError::ForeignStore { found, .. } if found == expected));
    assert_eq!(running.status().await[0].state, ProjectionState::Stopped(StopReason::Failed));
    assert_eq!(documents(&sink.inner(), NAME).await, before);
}

#[tokio::test]
async fn documents_that_are_ahead_of_a_restored_store_are_left_alone() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let position = append_some(&store, 0..6).await;
    let running = start(&store, &sink).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;

    let restored = FaultyStore::default().restored(store.head().await.unwrap().store_id);
    let head = append_some(&restored, 0..3).await;
    let running = start(&restored, &sink).await;
    match stopped(&running).await {
        ProjectionError::CheckpointAhead { checkpoint, head: found } => {
            assert_eq!((checkpoint, found), (position, head));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn documents_of_a_history_that_was_changed_are_left_alone() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let position = append_some(&store, 0..6).await;
    let running = start(&store, &sink).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;

    let restored = FaultyStore::default().restored(store.head().await.unwrap().store_id);
    append_some(&restored, 0..9).await;
    let running = start(&restored, &sink).await;
    assert!(matches!(stopped(&running).await, ProjectionError::HistoryChanged { position: at, .. } if at == position));
}

#[tokio::test]
async fn a_store_that_is_restored_under_a_running_projection_is_found_out_at_its_next_attempt() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let position = append_some(&store, 0..6).await;
    let running = start(&store, &sink).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;

    let restored = FaultyStore::default().restored(store.head().await.unwrap().store_id);
    restored.faults.next("head", [Fault::Before, Fault::Before]);
    let running = start(&restored, &sink).await;
    assert!(matches!(stopped(&running).await, ProjectionError::CheckpointAhead { .. }));
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_projector_stops_it() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    let running =
        Projections::new(store.clone()).add(NAME, crate::rebuilding::Texts, sink.clone()).start().await.unwrap();
    let position = append(&store, vec![paid("a", 1)]).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;

    let running = Projections::new(store.clone()).add(NAME, Sheets, sink).start().await.unwrap();
    append(&store, vec![paid("a", 2)]).await;
    assert!(matches!(stopped(&running).await, ProjectionError::Document { key, .. } if key == "a"));
}

#[tokio::test]
async fn waiting_never_goes_back_when_the_runner_starts_again() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    append_some(&store, 0..6).await;
    // The last events change nothing: the stored checkpoint stays behind what was reached.
    let reached = append(&store, (0..50).map(|_| crate::ledger::noise()).collect()).await;
    running.wait_for(reached, LONG).await.unwrap();
    // The runner comes to wait for more, so that it has read none of what is appended now.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    store.faults.next("page", [Fault::Before]);
    let gate = store.faults.gate("page");
    append_some(&store, 6..7).await;
    until("it starts again", || async { running.status().await[0].attempts > 0 }).await;
    until("it has started", || async {
        matches!(running.status().await[0].state, ProjectionState::CatchingUp | ProjectionState::Live)
    })
    .await;
    assert!(running.status().await[0].position >= reached);
    drop(gate);
    let position = append_some(&store, 7..8).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}
