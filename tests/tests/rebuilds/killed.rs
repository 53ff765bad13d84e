//! A rebuild whose process is killed is gone on with by another process.

use std::path::Path;
use std::time::Duration;

use cqrs_core::{EventStore, Generation, GlobalPosition};
use cqrs_tests::sink::Service;
use cqrs_tests::wait::until;
use cqrs_tests::worker::{Place as At, Task, Worker};

use super::place::Place;

const PARTITIONS: u16 = 3;

/// Killed in the middle, on whatever machine.
const EVENTS_PER_SECOND: u32 = 300;

/// What is folded and not yet in the new generation: two batches of a tenth of a second.
const ON_THE_WAY: u64 = 2 * EVENTS_PER_SECOND as u64 / 10;

async fn goes_on_after_a_kill(service: Service) {
    let place = Place::new(service).await;
    place.append(0..1_200).await;
    let events = place.store.head().await.unwrap().position.get();
    let files = tempfile::tempdir().unwrap();
    let progress = files.path().join("progress");
    let store = At {
        url: place.database.url.clone(),
        schema: place.database.schema.clone(),
        attempt_timeout: Duration::from_secs(10),
    };
    let task = Task::Rebuild {
        store,
        sink: place.corner.sink.clone(),
        partitions: PARTITIONS,
        events_per_second: EVENTS_PER_SECOND,
        progress: progress.clone(),
    };
    let worker = Worker::start(Path::new(env!("CARGO_BIN_EXE_worker")), &task);
    let folded = until("a part is folded", || async {
        let folded: u64 = std::fs::read_to_string(&progress).ok()?.parse().ok()?;
        (folded >= 600).then_some(folded)
    });
    let folded = folded.await;
    worker.kill();
    assert_eq!(place.generations().await, [1, 2], "what it has filled is left behind");

    let running = place.start(PARTITIONS).await;
    let rebuilt = running.rebuild("sheets").await.unwrap();
    let from = rebuilt.resumed_from.unwrap();
    assert_eq!(rebuilt.generation, Generation::new(2));
    let kept = folded - ON_THE_WAY;
    assert!(rebuilt.events <= events - kept, "{folded} of {events} were folded before, and {} now", rebuilt.events);
    assert!(from >= GlobalPosition::new(kept), "{from}");
    place.append(2_000..2_020).await;
    place.assert_right(&running).await;
    assert_eq!(place.generations().await, [2]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rebuild_into_redis_is_gone_on_with() {
    goes_on_after_a_kill(Service::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rebuild_into_elasticsearch_is_gone_on_with() {
    goes_on_after_a_kill(Service::Elastic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_rebuild_into_postgresql_is_gone_on_with() {
    goes_on_after_a_kill(Service::Postgres).await;
}
