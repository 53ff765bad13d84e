//! Rebuilding snapshots in the background, after the state or its events changed shape.

use std::time::{Duration, Instant};

use cqrs_core::{
    Append, EventStore, NewEvent, Payload, Repository, SnapshotError, SnapshotPolicy, SnapshotQuery, SnapshotRebuild,
    SnapshotStore,
};

use super::counter::{Add, AddOnes, Counter, CounterOfToday};
use super::snapshots::newest_of;
use super::watched_snapshots::{WatchedSnapshots, settled};
use super::watched_store::WatchedStore;

/// So many counters, `000` and so on; each third one has five events, the others four. The code of yesterday has taken its
/// snapshots.
async fn given(counters: usize) -> (WatchedStore, WatchedSnapshots, Repository<CounterOfToday>) {
    let (store, snapshots) = (WatchedStore::default(), WatchedSnapshots::default());
    let of_yesterday = crate::repository::<Counter>(store.clone()).snapshots(snapshots.clone());
    for number in 0..counters {
        of_yesterday.execute(&key(number), AddOnes(if number % 3 == 0 { 5 } else { 4 })).await.unwrap();
        settled().await;
    }
    store.events_read();
    snapshots.saving();
    let of_today = crate::repository::<CounterOfToday>(store.clone()).snapshots(snapshots.clone());
    (store, snapshots, of_today)
}

fn key(number: usize) -> String {
    format!("{number:03}")
}

async fn snapshot_of(snapshots: &WatchedSnapshots, number: usize) -> Option<u64> {
    let query = SnapshotQuery { stream: format!("counter-{}", key(number)).parse().unwrap(), ..newest_of(2) };
    snapshots.inner.newest(&query).await.unwrap().map(|snapshot| snapshot.version.get())
}

async fn finish(rebuild: &mut SnapshotRebuild<CounterOfToday>) {
    while rebuild.next().await.unwrap().is_some() {}
}

#[tokio::test]
async fn after_a_change_of_the_state_those_that_the_policy_wants_are_written_anew() {
    let (store, snapshots, counters) = given(250).await;
    let mut rebuild = counters.rebuild_snapshots();
    let mut seen = Vec::new();
    while let Some(progress) = rebuild.next().await.unwrap() {
        seen.push((progress.streams, progress.written));
    }
    assert_eq!(seen, [(100, 34), (200, 67), (250, 84)]);
    assert_eq!((rebuild.progress().failed, rebuild.progress().last.clone()), (0, Some("counter-249".parse().unwrap())));
    assert_eq!(store.events_read(), 84 * 5, "those that are too short are not read");
    for number in 0..250 {
        assert_eq!(snapshot_of(&snapshots, number).await, (number % 3 == 0).then_some(5));
    }
    for number in [0, 3, 249] {
        store.events_read();
        let loaded = counters.load(&key(number)).await.unwrap().unwrap();
        assert_eq!((loaded.state, store.events_read()), (CounterOfToday { total: 5, events: 5 }, 1));
    }
    assert_eq!(rebuild.next().await.unwrap(), None, "it stays at its end");
}

#[tokio::test]
async fn what_has_a_current_snapshot_is_not_written_again() {
    let (_, snapshots, counters) = given(30).await;
    counters.snapshot(&key(0)).await.unwrap();
    counters.snapshot(&key(1)).await.unwrap();
    snapshots.saving();
    let mut rebuild = counters.rebuild_snapshots();
    finish(&mut rebuild).await;
    assert_eq!((rebuild.progress().written, snapshots.saving().len()), (9, 9));
    let mut again = counters.rebuild_snapshots();
    finish(&mut again).await;
    assert_eq!((again.progress().streams, again.progress().written), (30, 0));
}

#[tokio::test]
async fn a_policy_that_takes_none_by_itself_wants_none() {
    let (_, _, counters) = given(3).await;
    let mut rebuild = counters.clone().snapshot_policy(SnapshotPolicy::ON_DEMAND).rebuild_snapshots();
    finish(&mut rebuild).await;
    assert_eq!((rebuild.progress().streams, rebuild.progress().written), (3, 0));
    let mut rebuild = counters.clone().snapshot_policy(SnapshotPolicy::every(1)).rebuild_snapshots();
    finish(&mut rebuild).await;
    assert_eq!(rebuild.progress().written, 3);
    let mut disabled = counters.snapshot_policy(SnapshotPolicy::NEVER).rebuild_snapshots();
    assert!(matches!(disabled.next().await, Err(SnapshotError::Disabled)));
}

#[tokio::test]
async fn a_rebuild_goes_on_after_the_last_aggregate_of_the_one_before() {
    let (_, snapshots, counters) = given(150).await;
    let mut first = counters.rebuild_snapshots();
    first.next().await.unwrap();
    let last = first.progress().last.clone().unwrap();
    drop(first);
    snapshots.saving();
    let mut second = counters.rebuild_snapshots().after(last);
    finish(&mut second).await;
    assert_eq!((second.progress().streams, second.progress().written), (50, 16));
    for number in (0..150).step_by(3) {
        assert_eq!(snapshot_of(&snapshots, number).await, Some(5));
    }
}

#[tokio::test]
async fn a_step_that_is_dropped_in_the_middle_loses_nothing() {
    let (_, snapshots, counters) = given(30).await;
    let mut rebuild = counters.rebuild_snapshots();
    snapshots.close();
    tokio::select! {
        biased;
        _ = rebuild.next() => panic!("it waits for the first one to be saved"),
        () = settled() => {}
    }
    snapshots.open();
    finish(&mut rebuild).await;
    assert_eq!((rebuild.progress().streams, rebuild.progress().written), (30, 10));
}

#[tokio::test]
async fn a_failure_of_the_snapshot_store_is_told_and_the_rebuild_can_go_on() {
    let (_, snapshots, counters) = given(30).await;
    let mut rebuild = counters.rebuild_snapshots();
    snapshots.be_down();
    for _ in 0..2 {
        assert!(rebuild.next().await.unwrap_err().is_transient());
    }
    assert_eq!((rebuild.progress().streams, rebuild.progress().last.clone()), (0, None));
    snapshots.repair();
    finish(&mut rebuild).await;
    assert_eq!((rebuild.progress().streams, rebuild.progress().written), (30, 10));
}

#[tokio::test]
async fn an_aggregate_that_cannot_be_decoded_is_counted_and_passed() {
    let (store, snapshots, counters) = given(7).await;
    let unknown = NewEvent::raw(
        "counter-003".parse().unwrap(),
        "counter.forgotten.v1".parse().unwrap(),
        Payload::from_bytes("{}"),
    );
    store.append(Append::new(vec![unknown])).await.unwrap();
    let mut rebuild = counters.rebuild_snapshots();
    finish(&mut rebuild).await;
    let progress = rebuild.progress();
    assert_eq!((progress.streams, progress.written, progress.failed), (7, 2, 1));
    assert_eq!((snapshot_of(&snapshots, 3).await, snapshot_of(&snapshots, 6).await), (None, Some(5)));
}

#[tokio::test]
async fn a_rebuild_takes_the_time_that_it_is_given() {
    let (_, _, counters) = given(18).await;
    let begun = Instant::now();
    finish(&mut counters.rebuild_snapshots().streams_per_second(100)).await;
    assert!(begun.elapsed() >= Duration::from_millis(50), "five pauses of 10 ms between six that are read");
}

#[tokio::test]
async fn a_snapshot_of_a_live_command_is_not_replaced_by_the_older_one_of_the_rebuild() {
    let (store, snapshots, counters) = given(1).await;
    let counters = counters.keep_snapshots(1);
    snapshots.close();
    let mut rebuild = counters.rebuild_snapshots();
    tokio::select! {
        biased;
        _ = rebuild.next() => panic!("it waits for the snapshot to be saved"),
        () = settled() => {}
    }
    assert_eq!(snapshots.saving(), [5]);
    let live = Repository::<CounterOfToday>::new(store).snapshots(snapshots.inner.clone()).keep_snapshots(1);
    let rebuilding = tokio::spawn(async move {
        finish(&mut rebuild).await;
        rebuild.progress().written
    });
    settled().await;
    assert_eq!(snapshots.saving(), [5], "the step was begun again");
    live.execute(&key(0), AddOnes(5)).await.unwrap();
    settled().await;
    assert_eq!(snapshot_of(&snapshots, 0).await, Some(10));
    snapshots.open();
    assert_eq!(rebuilding.await.unwrap(), 1);
    assert_eq!(snapshot_of(&snapshots, 0).await, Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_beside_live_commands_disturbs_neither() {
    let (store, snapshots, counters) = given(60).await;
    let live = tokio::spawn({
        let counters = counters.clone();
        async move {
            for round in 0..5 {
                for number in 0..60 {
                    counters.execute(&key(number), Add(round)).await.unwrap();
                }
            }
        }
    });
    finish(&mut counters.rebuild_snapshots()).await;
    live.await.unwrap();
    finish(&mut counters.rebuild_snapshots()).await;
    let plain = Repository::<CounterOfToday>::new(store.clone());
    let with_snapshots = Repository::<CounterOfToday>::new(store).snapshots(snapshots.clone());
    for number in 0..60 {
        let expected = plain.load(&key(number)).await.unwrap();
        assert_eq!(with_snapshots.load(&key(number)).await.unwrap(), expected);
        assert_eq!(counters.load(&key(number)).await.unwrap(), expected);
        assert!(snapshot_of(&snapshots, number).await.is_some());
    }
}
