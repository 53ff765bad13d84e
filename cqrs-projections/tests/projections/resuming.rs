use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::{EventStore, Generation, GlobalPosition, Partitions, ReadModel, Target};
use cqrs_projections::{Projections, Projector, RebuildError, RebuildProgress, Running};
use tokio::time::Instant;

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, Sheets, Spread, Versioned, append_some, documents, generations, oracle, quick, until};

const NAME: &str = "sheets";

async fn start(store: &FaultyStore, sink: &FaultySink, projector: impl Projector) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, projector, sink.clone());
    projections.error_policy(quick()).start().await.unwrap()
}

/// 120 events, and a process that is killed when its rebuild has filled a part of generation 2.
async fn killed(projector: impl Projector, resume: bool) -> (FaultyStore, FaultySink) {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..40).await;
    let running = start(&store, &sink, projector).await;
    rebuild_up_to(&sink, &running, resume).await;
    drop(running);
    assert_eq!(generations(&sink.inner(), NAME).await, [1, 2]);
    (store, sink)
}

/// Lets a rebuild write a few batches, and holds the next one back.
async fn rebuild_up_to(sink: &FaultySink, running: &Running, resume: bool) {
    let written = sink.faults.calls("fill");
    let rebuild = running.rebuild(NAME).batch(10);
    let rebuild = if resume { rebuild.resume() } else { rebuild };
    let (seen, reached) = tokio::sync::oneshot::channel();
    let mut seen = Some(seen);
    let gated = sink.clone();
    let rebuild = rebuild.progress(move |now: &RebuildProgress| {
        if now.events >= 60
            && let Some(seen) = seen.take()
        {
            let _ = seen.send(gated.faults.gate("fill"));
        }
    });
    tokio::spawn(rebuild.into_future());
    let gate = tokio::time::timeout(LONG, reached).await.unwrap().unwrap();
    gate.reached().await;
    assert!(sink.faults.calls("fill") > written);
    // Held back for good: whoever was held is killed first.
    std::mem::forget(gate);
}

/// Lets everything go on.
async fn rebuilt(store: &FaultyStore, sink: &FaultySink, running: &Running, resume: bool) -> cqrs_projections::Rebuilt {
    sink.faults.open("fill");
    let rebuild = running.rebuild(NAME).batch(10);
    let rebuilt = if resume { rebuild.resume() } else { rebuild }.await.unwrap();
    let position = append_some(store, 100..104).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
    assert_eq!(generations(&sink.inner(), NAME).await, [rebuilt.generation.get()]);
    rebuilt
}

#[tokio::test]
async fn a_killed_rebuild_of_a_declared_version_is_gone_on_with() {
    for partitions in [1, 3] {
        let (store, sink) = killed(Versioned(7, partitions), false).await;
        let running = start(&store, &sink, Versioned(7, partitions)).await;
        let rebuilt = rebuilt(&store, &sink, &running, false).await;
        let from = rebuilt.resumed_from.unwrap();
        assert_eq!(rebuilt.generation, Generation::new(2));
        assert!(from > GlobalPosition::START && rebuilt.events <= 80, "{rebuilt:?}");
    }
}

#[tokio::test]
async fn without_a_version_a_killed_rebuild_is_gone_on_with_when_somebody_vouches_for_it() {
    let (store, sink) = killed(Sheets, true).await;
    let running = start(&store, &sink, Sheets).await;
    let rebuilt = rebuilt(&store, &sink, &running, true).await;
    assert_eq!(rebuilt.generation, Generation::new(2));
    assert!(rebuilt.resumed_from.is_some() && rebuilt.events <= 80, "{rebuilt:?}");
}

#[tokio::test]
async fn what_was_filled_otherwise_is_not_gone_on_with() {
    let (store, sink) = killed(Versioned(7, 2), false).await;
    let running = start(&store, &sink, Versioned(8, 2)).await;
    let again = rebuilt(&store, &sink, &running, true).await;
    assert_eq!((again.resumed_from, again.generation, again.events), (None, Generation::new(3), 120));

    let (store, sink) = killed(Sheets, false).await;
    let running = start(&store, &sink, Sheets).await;
    assert_eq!(rebuilt(&store, &sink, &running, true).await.resumed_from, None, "it was not vouched for");

    let (store, sink) = killed(Sheets, true).await;
    let running = start(&store, &sink, Sheets).await;
    assert_eq!(rebuilt(&store, &sink, &running, false).await.resumed_from, None, "it is not vouched for now");

    let (store, sink) = killed(Versioned(7, 2), false).await;
    let running = start(&store, &sink, Versioned(7, 2)).await;
    sink.faults.open("fill");
    assert_eq!(running.rebuild(NAME).anew().await.unwrap().resumed_from, None, "it is not wanted");

    let (store, sink) = killed(Spread(2), true).await;
    let live = start(&store, &sink, Spread(3)).await;
    sink.faults.open("fill");
    let again = live.rebuild(NAME).resume().await.unwrap();
    assert_eq!((again.resumed_from, again.events), (None, 120), "it has another number of partitions");
}

#[tokio::test]
async fn a_former_live_generation_that_could_not_be_dropped_is_not_gone_on_with() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..40).await;
    let running = start(&store, &sink, Versioned(7, 2)).await;
    running.rebuild(NAME).await.unwrap();
    sink.faults.always("drop", Fault::Permanent);
    running.rebuild(NAME).await.unwrap();
    sink.faults.heal();
    assert_eq!(generations(&sink.inner(), NAME).await, [2, 3]);
    let rebuilt = rebuilt(&store, &sink, &running, true).await;
    assert_eq!((rebuilt.resumed_from, rebuilt.events), (None, 120), "its documents may be why it was rebuilt");
}

#[tokio::test]
async fn what_was_filled_from_another_log_is_not_gone_on_with() {
    let (_, sink) = killed(Versioned(7, 2), false).await;
    let other = FaultyStore::default();
    append_some(&other, 0..40).await;
    let running = start(&other, &sink, Versioned(7, 2)).await;
    let rebuilt = rebuilt(&other, &sink, &running, false).await;
    assert_eq!((rebuilt.resumed_from, rebuilt.events), (None, 120));
}

#[tokio::test]
async fn a_rebuild_that_is_stopped_with_its_process_is_gone_on_with_and_a_dropped_one_is_not() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..40).await;
    let running = start(&store, &sink, Versioned(7, 2)).await;
    rebuild_up_to(&sink, &running, false).await;
    running.stop().await;
    assert_eq!(generations(&sink.inner(), NAME).await, [1, 2]);
    let running = start(&store, &sink, Versioned(7, 2)).await;
    assert!(rebuilt(&store, &sink, &running, false).await.resumed_from.is_some());

    let gate = sink.faults.gate("fill");
    let rebuild = tokio::spawn(running.rebuild(NAME).batch(10).into_future());
    gate.reached().await;
    rebuild.abort();
    drop(gate);
    until("it is dropped", || async { generations(&sink.inner(), NAME).await == [2] }).await;
}

#[tokio::test]
async fn a_rebuild_whose_sink_stays_away_is_gone_on_with_and_a_refused_one_is_not() {
    for (fault, goes_on) in [(Fault::Before, true), (Fault::Permanent, false)] {
        let (store, sink) = (FaultyStore::default(), FaultySink::default());
        append_some(&store, 0..40).await;
        let running = start(&store, &sink, Versioned(7, 1)).await;
        sink.faults.next("fill", [Fault::None, Fault::None, Fault::None]);
        sink.faults.always("fill", fault);
        let failed = running.rebuild(NAME).batch(10).await;
        assert!(matches!(failed, Err(RebuildError::Failed { .. })), "{failed:?}");
        sink.faults.heal();
        assert_eq!(generations(&sink.inner(), NAME).await.len(), 1 + usize::from(goes_on));
        let again = rebuilt(&store, &sink, &running, false).await;
        assert_eq!(again.resumed_from.is_some(), goes_on, "{again:?}");
    }
}

#[tokio::test]
async fn whoever_goes_on_with_a_rebuild_keeps_the_one_before_from_writing_and_from_dropping_it() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..40).await;
    let frozen = sink.elsewhere();
    let first = start(&store, &frozen, Versioned(7, 1)).await;
    let gate = frozen.faults.gate("fill");
    let former = tokio::spawn(first.rebuild(NAME).batch(10).into_future());
    gate.reached().await;
    let second = start(&store, &sink, Versioned(7, 1)).await;
    let begun = sink.faults.gate("fill");
    let newer = tokio::spawn(second.rebuild(NAME).batch(10).into_future());
    begun.reached().await;
    drop(gate);
    let former = former.await.unwrap();
    assert!(matches!(former, Err(RebuildError::Failed { .. })), "{former:?}");
    drop(begun);
    let newer = newer.await.unwrap().unwrap();
    assert_eq!((newer.generation, generations(&sink.inner(), NAME).await), (Generation::new(2), vec![2]));
    second.wait_for(store.head().await.unwrap().position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn whoever_has_begun_a_rebuild_and_was_overtaken_finds_what_the_other_one_filled() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..40).await;
    let slow = sink.elsewhere();
    let first = start(&store, &slow, Versioned(7, 1)).await;
    let gate = slow.faults.gate("checkpoint");
    let former = tokio::spawn(first.rebuild(NAME).batch(10).into_future());
    gate.reached().await;
    let second = start(&store, &sink, Versioned(7, 1)).await;
    rebuild_up_to(&sink, &second, false).await;
    drop(second);
    sink.faults.open("fill");
    drop(gate);
    assert_eq!(former.await.unwrap().unwrap().generation, Generation::new(2));
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test]
async fn what_was_torn_when_the_rebuild_was_killed_is_made_whole() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..40).await;
    let running = start(&store, &sink, Versioned(7, 2)).await;
    sink.faults.next("fill", [Fault::None, Fault::Torn, Fault::None, Fault::Torn]);
    rebuild_up_to(&sink, &running, false).await;
    drop(running);
    let model = sink.inner();
    let at = |partition| Target { projection: NAME.parse().unwrap(), generation: Generation::new(2), partition };
    for partition in Partitions::new(2).unwrap().all() {
        assert!(model.checkpoint(&at(partition)).await.unwrap().1.is_some(), "something was filled");
    }
    let running = start(&store, &sink, Versioned(7, 2)).await;
    assert!(rebuilt(&store, &sink, &running, false).await.resumed_from.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_rebuild_folds_no_more_events_than_it_may() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    append_some(&store, 0..200).await;
    append_some(&store, 200..400).await;
    let running = start(&store, &sink, Versioned(7, 2)).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (observed, begun) = (Arc::clone(&seen), Instant::now());
    let rebuild = running.rebuild(NAME).throttle(100);
    let rebuild = rebuild.progress(move |now| observed.lock().unwrap().push((begun.elapsed(), *now)));
    let rebuilt = rebuild.await.unwrap();
    assert_eq!(rebuilt.events, 1_200);
    // The last batch need not be waited for.
    let expected = Duration::from_millis(11_900);
    let range = expected..expected + Duration::from_millis(200);
    assert!(range.contains(&rebuilt.elapsed), "{:?}", rebuilt.elapsed);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    for (elapsed, progress) in &seen {
        let most = elapsed.as_millis() as u64 / 10 + 10;
        assert!(progress.events <= most, "{} after {elapsed:?}", progress.events);
    }
    let (_, half) = seen[seen.len() / 2];
    let left = half.left.unwrap();
    assert!((5..8).contains(&left.as_secs()), "{left:?} of 12 s are left in the middle");
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}
