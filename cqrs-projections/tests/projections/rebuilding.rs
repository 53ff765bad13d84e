use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use cqrs_core::{Documents, EventStore, Generation, Partitions, ProjectionName, ReadModel, Recorded};
use cqrs_projections::{
    ProjectError, ProjectionError, ProjectionState, Projections, Projector, RebuildError, Running, StopReason,
};

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{
    LONG, LedgerEvent, Sheet, Sheets, append, append_some, documents, generations, noise, oracle, paid, quick, until,
};

const NAME: &str = "sheets";

/// Folds into documents of another shape.
pub struct Texts;

impl Projector for Texts {
    type Event = LedgerEvent;
    type Document = String;

    fn route(&self, _: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        to.push("a".to_owned());
    }

    fn project(&self, _: &Recorded<LedgerEvent>, _: &str, _: Option<String>) -> Result<Option<String>, ProjectError> {
        Ok(Some("text".to_owned()))
    }
}

async fn start(store: &FaultyStore, sink: &FaultySink) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, Sheets, sink.clone());
    projections.error_policy(quick()).start().await.unwrap()
}

async fn started() -> (FaultyStore, FaultySink, Running) {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    let position = append_some(&store, 0..40).await;
    running.wait_for(position, LONG).await.unwrap();
    (store, sink, running)
}

/// The live one goes on, and is right.
async fn still_runs(store: &FaultyStore, sink: &FaultySink, running: &Running) {
    let position = append_some(store, 100..104).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn a_rebuild_folds_the_whole_log_again_and_swaps() {
    let (store, sink, running) = started().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&seen);
    let rebuild = running.rebuild(NAME).batch(16).progress(move |now| observed.lock().unwrap().push(*now));
    let rebuilt = rebuild.await.unwrap();
    assert_eq!((rebuilt.generation, rebuilt.events), (Generation::new(2), 120));
    assert_eq!(generations(&sink.inner(), NAME).await, [2]);
    still_runs(&store, &sink, &running).await;
    assert_eq!(running.status().await[0].generation, Some(Generation::new(2)));

    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(seen.len() >= 8 && seen.windows(2).all(|pair| pair[0].done < pair[1].done));
    let last = seen.last().unwrap();
    assert_eq!((last.done, last.of, last.events, last.left), (last.of, last.of, 120, Some(std::time::Duration::ZERO)));
    running.stop().await;

    let running = start(&store, &sink).await;
    assert_eq!(running.status().await[0].generation, Some(Generation::new(2)));
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn the_former_generation_is_kept_when_asked_for_and_one_may_go_back_to_it() {
    let (store, sink, running) = started().await;
    let name = ProjectionName::new(NAME).unwrap();
    let rebuilt = running.rebuild(NAME).keep_former().await.unwrap();
    assert_eq!((rebuilt.generation, rebuilt.former), (Generation::new(2), Some(Generation::new(1))));
    assert_eq!(generations(&sink.inner(), NAME).await, [1, 2]);
    still_runs(&store, &sink, &running).await;
    running.stop().await;

    sink.inner().swap(&name, Generation::new(1)).await.unwrap();
    let running = start(&store, &sink).await;
    let head = store.inner.head().await.unwrap().position;
    running.wait_for(head, LONG).await.unwrap();
    assert_eq!(running.status().await[0].generation, Some(Generation::new(1)));
    still_runs(&store, &sink, &running).await;

    // The next one drops what was kept before.
    let rebuilt = running.rebuild(NAME).await.unwrap();
    assert_eq!((rebuilt.former, generations(&sink.inner(), NAME).await), (None, vec![3]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_readers_notice_nothing_of_rebuilds() {
    let (store, sink, running) = started().await;
    let running = Arc::new(running);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, sink, running, done) = (store.clone(), sink.clone(), Arc::clone(&running), Arc::clone(&done));
        tokio::spawn(async move {
            let sheets = Documents::<Sheet>::new(sink, NAME).unwrap();
            let mut written = 0;
            while !done.load(Ordering::Relaxed) {
                let before = sheets.get("g").await.unwrap().unwrap_or_default();
                let position = append(&store, vec![paid("g", 1), noise()]).await;
                running.wait_for(position, LONG).await.unwrap();
                let after = sheets.get("g").await.unwrap().unwrap();
                written += 1;
                assert_eq!((before.events + 1, after.events), (written, written), "own writes are read");
            }
            written
        })
    };
    for generation in 2..=6 {
        let rebuilt = running.rebuild(NAME).batch(10).await.unwrap();
        assert_eq!(rebuilt.generation, Generation::new(generation));
    }
    done.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0);
    still_runs(&store, &sink, &running).await;
    assert_eq!(generations(&sink.inner(), NAME).await, [6]);
}

#[tokio::test]
async fn what_was_reached_stays_reached_across_the_swap() {
    let (store, _, running) = started().await;
    // The checkpoint of the live generation stays behind, as these change no document.
    let reached = append(&store, (0..30).map(|_| noise()).collect()).await;
    running.wait_for(reached, LONG).await.unwrap();
    // The runner can read nothing from the log after the swap: it must know where the new generation stands.
    let gate = store.faults.gate("page");
    running.rebuild(NAME).await.unwrap();
    until("the runner knows the new generation", || async {
        running.status().await[0].generation == Some(Generation::new(2))
    })
    .await;
    running.wait_for(reached, std::time::Duration::ZERO).await.unwrap();
    drop(gate);
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_the_live_generation_as_it_was() {
    for operation in ["begin", "generations", "live", "fill", "swap"] {
        let (store, sink, running) = started().await;
        sink.faults.always(operation, Fault::Permanent);
        let failed = running.rebuild(NAME).await;
        assert!(
            matches!(failed, Err(RebuildError::Failed { source: ProjectionError::ReadModel(_), .. })),
            "{failed:?}"
        );
        sink.faults.heal();
        assert_eq!(generations(&sink.inner(), NAME).await, [1], "{operation}");
        still_runs(&store, &sink, &running).await;
        running.rebuild(NAME).await.unwrap();
        still_runs(&store, &sink, &running).await;
    }
}

#[tokio::test]
async fn a_rebuild_outlasts_transient_failures() {
    let operations = ["begin", "generations", "live", "drop", "checkpoint", "fence", "fill", "swap", "open"];
    for (operation, fault) in operations.iter().flat_map(|one| [(one, Fault::Before), (one, Fault::After)]) {
        let (store, sink, running) = started().await;
        sink.faults.next(operation, [fault, Fault::None, fault, fault]);
        store.faults.next("head", [fault, Fault::None, fault]);
        store.faults.next("read_all", [Fault::None, fault, Fault::None, fault]);
        running.rebuild(NAME).batch(20).await.unwrap();
        sink.faults.heal();
        still_runs(&store, &sink, &running).await;
        running.rebuild(NAME).await.unwrap();
        assert_eq!(generations(&sink.inner(), NAME).await.len(), 1, "what was left behind is dropped: {operation}");
    }
}

#[tokio::test]
async fn a_sink_that_stays_away_fails_the_rebuild_in_the_end() {
    let (store, sink, running) = started().await;
    sink.faults.always("swap", Fault::Before);
    assert!(matches!(running.rebuild(NAME).await, Err(RebuildError::Failed { .. })));
    assert_eq!(generations(&sink.inner(), NAME).await, [1]);
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn a_swap_whose_answers_are_lost_is_found_out_to_have_happened() {
    let (store, sink, running) = started().await;
    sink.faults.always("swap", Fault::After);
    running.rebuild(NAME).await.unwrap();
    assert_eq!(generations(&sink.inner(), NAME).await, [2]);
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_folded_fails_the_rebuild_only() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append(&store, vec![paid("a", 1), paid("a", 13)]).await;
    let running = start(&store, &sink).await;
    let failed = running.rebuild(NAME).await;
    assert!(matches!(failed, Err(RebuildError::Failed { source: ProjectionError::Project { .. }, .. })), "{failed:?}");
    assert_eq!(generations(&sink.inner(), NAME).await, [1]);
    assert_eq!(running.status().await[0].state, ProjectionState::Stopped(StopReason::Failed), "as it was before");
}

/// Polls a rebuild so often, with everything else running in between, and drops it.
async fn drop_after(running: &Running, polls: usize) -> bool {
    let mut rebuild = running.rebuild(NAME).batch(30).into_future();
    for _ in 0..polls {
        if let Poll::Ready(done) = futures::poll!(&mut rebuild) {
            done.unwrap();
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_rebuild_that_is_dropped_at_any_moment_leaves_one_generation_that_goes_on() {
    let mut polls = 0;
    loop {
        let (store, sink, running) = started().await;
        let done = drop_after(&running, polls).await;
        until("one generation is left", || async {
            !running.status().await[0].rebuilding && generations(&sink.inner(), NAME).await.len() == 1
        })
        .await;
        still_runs(&store, &sink, &running).await;
        if done {
            break;
        }
        polls += 1;
    }
    assert!(polls > 10, "there were moments to drop it at: {polls}");
}

#[tokio::test]
async fn a_rebuild_can_be_begun_again_right_after_it_was_dropped() {
    let (store, sink, running) = started().await;
    let gate = sink.faults.gate("fill");
    let polled = tokio::time::timeout(std::time::Duration::from_millis(20), running.rebuild(NAME).into_future()).await;
    assert!(polled.is_err(), "it cannot be done");
    drop(gate);
    running.rebuild(NAME).await.unwrap();
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn what_a_crash_left_behind_is_dropped_by_the_next_rebuild() {
    let (store, sink, running) = started().await;
    sink.inner().begin(&NAME.parse().unwrap(), Partitions::ONE).await.unwrap();
    sink.inner().begin(&NAME.parse().unwrap(), Partitions::ONE).await.unwrap();
    running.rebuild(NAME).await.unwrap();
    assert_eq!(generations(&sink.inner(), NAME).await, [4]);
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn a_second_rebuild_of_the_same_projection_is_refused() {
    let (store, sink, running) = started().await;
    let gate = sink.faults.gate("fill");
    let first = tokio::spawn(running.rebuild(NAME).into_future());
    gate.reached().await;
    assert!(running.status().await[0].rebuilding);
    assert!(matches!(running.rebuild(NAME).await, Err(RebuildError::AlreadyRunning { .. })));
    assert!(matches!(running.rebuild("none").await, Err(RebuildError::UnknownProjection { .. })));
    drop(gate);
    first.await.unwrap().unwrap();
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn a_rebuild_cures_a_sink_that_does_not_fit() {
    let (store, sink, running) = started().await;
    running.stop().await;
    sink.unfit(Generation::FIRST);
    let running = start(&store, &sink).await;
    let status = running.status().await.swap_remove(0);
    assert_eq!(status.state, ProjectionState::Stopped(StopReason::Failed));
    running.rebuild(NAME).await.unwrap();
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn a_rebuild_cures_documents_of_another_shape_and_of_another_store() {
    let sink = FaultySink::default();
    let other = FaultyStore::default();
    let position = append_some(&other, 0..90).await;
    let running = Projections::new(other).add(NAME, Texts, sink.clone()).start().await.unwrap();
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;

    let store = FaultyStore::default();
    append_some(&store, 0..20).await;
    let running = start(&store, &sink).await;
    let error = running.status().await.swap_remove(0).error;
    assert!(matches!(error, Some(ProjectionError::ForeignStore { .. })), "{error:?}");
    running.rebuild(NAME).await.unwrap();
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn stopping_or_dropping_cancels_a_rebuild() {
    let (store, sink, running) = started().await;
    let gate = sink.faults.gate("fill");
    let rebuild = tokio::spawn(running.rebuild(NAME).into_future());
    gate.reached().await;
    running.stop().await;
    assert!(matches!(rebuild.await.unwrap(), Err(RebuildError::Cancelled { .. })));
    assert_eq!(generations(&sink.inner(), NAME).await, [1]);

    let running = start(&store, &sink).await;
    let rebuild = tokio::spawn(running.rebuild(NAME).into_future());
    gate.reached().await;
    drop(running);
    assert!(matches!(rebuild.await.unwrap(), Err(RebuildError::Cancelled { .. })));
    drop(gate);
    let running = start(&store, &sink).await;
    running.rebuild(NAME).await.unwrap();
    still_runs(&store, &sink, &running).await;
    assert_eq!(store.head().await.unwrap().position, running.status().await[0].position);
}

#[tokio::test]
async fn a_rebuild_does_not_read_what_it_has_written() {
    let (store, sink, running) = started().await;
    let loaded = sink.faults.calls("load");
    running.rebuild(NAME).batch(1).await.unwrap();
    assert_eq!(sink.faults.calls("load"), loaded);
    still_runs(&store, &sink, &running).await;
}

#[tokio::test]
async fn an_empty_log_can_be_rebuilt() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    assert_eq!(running.rebuild(NAME).await.unwrap().events, 0);
    still_runs(&store, &sink, &running).await;
}
