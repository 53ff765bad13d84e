use std::time::Duration;

use cqrs_core::in_memory::InMemoryLeaseStore;
use cqrs_core::{EventStore, GlobalPosition};
use cqrs_projections::{Batches, ProjectionState, Projections, Running, StartError};
use tokio::time::Instant;

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, Sheets, append, append_some, documents, noise, oracle, paid, quick, until};

const NAME: &str = "sheets";

/// Longer than any test waits.
const AGES: Duration = Duration::from_secs(10 * 3_600);

struct Scene {
    store: FaultyStore,
    sink: FaultySink,
    running: Running,
}

impl Scene {
    async fn with(batches: Batches, events: usize, page: usize) -> Self {
        let (store, sink) = (FaultyStore::default().page(page), FaultySink::default());
        for number in 0..events {
            append(&store, vec![paid("a", 20 + number as i64)]).await;
        }
        let running = start(&store, &sink, batches).await;
        Self { store, sink, running }
    }

    /// One whose batches wait for more events, and that has nothing to do.
    async fn idle(batches: Batches) -> Self {
        Self::with(batches.age(AGES), 0, 100).await
    }

    fn writes(&self) -> usize {
        self.sink.faults.calls("apply")
    }

    /// Has something gathered and not written.
    async fn gather(&self) -> GlobalPosition {
        let (before, position) = (self.writes(), append_some(&self.store, 0..2).await);
        // In virtual time: everything else has come to rest before it passes.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(self.writes(), before, "it is not old enough");
        position
    }

    async fn assert_right(&self) {
        assert_eq!(documents(&self.sink.inner(), NAME).await, oracle(&self.store.inner).await);
    }
}

async fn start(store: &FaultyStore, sink: &FaultySink, batches: Batches) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, Sheets, sink.clone());
    projections.batches(batches).error_policy(quick()).start().await.unwrap()
}

#[tokio::test]
async fn what_is_there_is_written_in_batches_of_so_many_events_whatever_pages_it_is_read_in() {
    for page in [1, 3, 10, 100] {
        for (events, writes) in [(1, 30), (7, 5), (10, 3), (30, 1), (0, 30)] {
            let scene = Scene::with(Batches::default().events(events), 30, page).await;
            scene.running.wait_for(GlobalPosition::new(30), LONG).await.unwrap();
            assert_eq!(scene.writes(), writes, "pages of {page}, batches of {events}");
            scene.assert_right().await;
        }
    }
}

#[tokio::test]
async fn a_batch_has_no_more_bytes_than_told_but_for_one_event() {
    let event = {
        let store = FaultyStore::default();
        append(&store, vec![paid("a", 20)]).await;
        crate::ledger::log(&store.inner).await[0].bytes()
    };
    for (bytes, writes) in [(0, 9), (event, 9), (3 * event, 3), (3 * event + 1, 3), (9 * event, 1)] {
        for page in [1, 2, 100] {
            let scene = Scene::with(Batches::default().bytes(bytes), 9, page).await;
            scene.running.wait_for(GlobalPosition::new(9), LONG).await.unwrap();
            assert_eq!(scene.writes(), writes, "pages of {page}, {bytes} bytes of {event}");
            scene.assert_right().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_age_nothing_waits_for_more() {
    let scene = Scene::with(Batches::default(), 0, 100).await;
    for events in 1..=5 {
        append(&scene.store, vec![paid("a", 1)]).await;
        let appended = Instant::now();
        until("it is written", || async { scene.writes() == events }).await;
        assert_eq!(appended.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_full_is_written_when_it_is_old_enough() {
    let (age, second) = (Duration::from_secs(60), Duration::from_secs(1));
    let scene = Scene::with(Batches::default().age(age), 0, 100).await;
    append(&scene.store, vec![paid("a", 1)]).await;
    tokio::time::sleep(age / 2).await;
    append(&scene.store, vec![paid("a", 2)]).await;
    tokio::time::sleep(age / 2 - second).await;
    assert_eq!(scene.writes(), 0);
    tokio::time::sleep(2 * second).await;
    assert_eq!(scene.writes(), 1, "as old as its first event");
    scene.assert_right().await;
    assert_eq!(scene.running.status().await[0].lag, Some(0));

    append(&scene.store, vec![paid("a", 3)]).await;
    tokio::time::sleep(age - second).await;
    assert_eq!(scene.writes(), 1, "the next one has an age of its own");
    assert_eq!(scene.running.status().await[0].lag, Some(1), "what waits is not in the documents");
    tokio::time::sleep(2 * second).await;
    scene.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_full_does_not_wait() {
    let scene = Scene::idle(Batches::default().events(8)).await;
    let begun = Instant::now();
    for number in 1..=8 {
        assert_eq!(scene.writes(), 0);
        append(&scene.store, vec![paid("a", number), noise()]).await;
    }
    until("it is written", || async { !documents(&scene.sink.inner(), NAME).await.is_empty() }).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    scene.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_has_the_batch_written_at_once() {
    let scene = Scene::idle(Batches::default()).await;
    let position = scene.gather().await;
    let begun = Instant::now();
    scene.running.wait_for(position, LONG).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO, "what was gathered before the wait");
    scene.assert_right().await;

    let append_later = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        append_some(&scene.store, 3..4).await
    };
    let next = GlobalPosition::new(position.get() + 4);
    let (waited, appended) = tokio::join!(scene.running.wait_for(next, LONG), append_later);
    waited.unwrap();
    assert_eq!((next, begun.elapsed()), (appended, Duration::from_secs(10)), "what came after it had begun");
    scene.assert_right().await;

    // What nobody waits for stays where it is.
    let position = scene.gather().await;
    let beyond = scene.running.wait_for(position.next(), Duration::from_secs(1)).await;
    assert!(beyond.is_err());
    assert_eq!(scene.writes(), 2);
    let noise = append(&scene.store, vec![noise()]).await;
    scene.running.wait_for(noise, LONG).await.unwrap();
    assert_eq!(scene.writes(), 3, "an event that nobody wants is passed with what was gathered before it");
    scene.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_writes_what_was_gathered() {
    let scene = Scene::idle(Batches::default()).await;
    let position = scene.gather().await;
    let Scene { store, sink, running } = scene;
    let begun = Instant::now();
    running.stop().await;
    assert_eq!((sink.faults.calls("apply"), begun.elapsed()), (1, Duration::ZERO));
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);

    let running = start(&store, &sink, Batches::default()).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(sink.faults.calls("apply"), 1, "nothing is folded again");
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_sink_that_is_away() {
    let scene = Scene::idle(Batches::default()).await;
    let position = scene.gather().await;
    scene.sink.faults.always("apply", Fault::Before);
    let Scene { store, sink, running } = scene;
    tokio::time::timeout(LONG, running.stop()).await.unwrap();

    sink.faults.heal();
    let running = start(&store, &sink, Batches::default()).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_does_not_hold_up_what_was_gathered_from_it_before() {
    let scene = Scene::idle(Batches::default()).await;
    let position = scene.gather().await;
    scene.store.faults.always("page", Fault::Before);
    until("it is written", || async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        scene.running.status().await[0].position == position
    })
    .await;
    scene.assert_right().await;
    scene.store.faults.heal();
    let position = append_some(&scene.store, 2..3).await;
    scene.running.wait_for(position, LONG).await.unwrap();
    scene.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_loses_nothing_of_what_was_gathered() {
    let scene = Scene::idle(Batches::default()).await;
    scene.gather().await;
    let differences = scene.running.rebuild(NAME).dry_run().await.unwrap();
    assert!(differences.is_empty(), "{differences}");
    scene.gather().await;
    scene.running.rebuild(NAME).await.unwrap();
    scene.assert_right().await;
    until("it goes on", || async { scene.running.status().await[0].state == ProjectionState::Live }).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_process_had_gathered_others_write_when_it_stops_or_dies() {
    for dies in [false, true] {
        let (store, sink, leases) = (FaultyStore::default(), FaultySink::default(), InMemoryLeaseStore::new());
        let process = || {
            let projections = Projections::new(store.clone()).add(NAME, Sheets, sink.clone());
            projections.batches(Batches::default().age(AGES)).leases(leases.clone()).error_policy(quick()).start()
        };
        let first = process().await.unwrap();
        append_some(&store, 0..2).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let second = process().await.unwrap();
        match dies {
            true => drop(first),
            false => first.stop().await,
        }
        let head = store.head().await.unwrap().position;
        second.wait_for(head, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
        second.stop().await;
    }
}

#[tokio::test]
async fn each_projection_may_have_batches_of_its_own() {
    let (store, small, large) = (FaultyStore::default(), FaultySink::default(), FaultySink::default());
    append(&store, (0..12).map(|number| paid("a", number)).collect()).await;
    let projections =
        || Projections::new(store.clone()).add("small", Sheets, small.clone()).add("large", Sheets, large.clone());
    let batches = Batches::default();
    let running =
        projections().batches(batches.events(6)).batches_of("small", batches.events(2)).start().await.unwrap();
    running.wait_for(GlobalPosition::new(12), LONG).await.unwrap();
    assert_eq!((small.faults.calls("apply"), large.faults.calls("apply")), (6, 2));
    running.stop().await;

    let unknown = projections().batches_of("huge", batches).start().await;
    assert!(matches!(unknown, Err(StartError::UnknownProjection { name }) if name == "huge"));
}
