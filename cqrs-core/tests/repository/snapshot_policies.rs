//! When snapshots are taken: by number, by age, on demand, never.

use std::time::Duration;

use cqrs_core::{
    Append, AsOf, Context, EventStore, EventType, NewEvent, Payload, Repository, SnapshotError, SnapshotPolicy,
    SnapshotStore, Timestamp, Version,
};
use cqrs_testkit::VirtualClock;

use super::counter::{Add, AddOnes, Bare, Counter, id};
use super::snapshots::{given, stream, telltale, total};
use super::watched_snapshots::{WatchedSnapshots, settled};
use super::watched_store::WatchedStore;

const HOUR: Duration = Duration::from_secs(3_600);

/// Records an addition of 1 in this minute of 2024.
async fn recorded(store: &WatchedStore, clock: &VirtualClock, minute: u64) {
    clock.set("2024-01-01T00:00:00Z");
    clock.advance(Duration::from_secs(minute * 60));
    let added = EventType::new("counter.added.v1").unwrap();
    let event = NewEvent::raw(stream(), added, Payload::from_bytes(r#"{"amount":1}"#));
    store.inner.append(Append::new(vec![event])).await.unwrap();
}

/// A store in the time of a clock.
fn timed(policy: SnapshotPolicy) -> (VirtualClock, WatchedStore, WatchedSnapshots, Repository<Counter>) {
    let clock = VirtualClock::at("2024-01-01T00:00:00Z");
    let (store, snapshots) = (WatchedStore::with_clock(clock.clone()), WatchedSnapshots::default());
    let counters = crate::repository::<Counter>(store.clone()).snapshots(snapshots.clone()).snapshot_policy(policy);
    (clock, store, snapshots, counters)
}

fn with(policy: SnapshotPolicy) -> (WatchedStore, WatchedSnapshots, Repository<Counter>) {
    let (store, snapshots) = (WatchedStore::default(), WatchedSnapshots::default());
    let counters = crate::repository::<Counter>(store.clone()).snapshots(snapshots.clone()).snapshot_policy(policy);
    (store, snapshots, counters)
}

/// The versions of which a snapshot is taken when the state is loaded after each event, which come at these minutes.
async fn taken_at(policy: SnapshotPolicy, minutes: &[u64]) -> Vec<u64> {
    let (clock, store, snapshots, counters) = timed(policy);
    for minute in minutes {
        recorded(&store, &clock, *minute).await;
        total(&counters).await;
        settled().await;
    }
    snapshots.saving()
}

#[tokio::test]
async fn by_age_the_first_snapshot_is_taken_when_the_first_event_is_older() {
    assert_eq!(taken_at(SnapshotPolicy::older_than(HOUR), &[0, 30, 60, 61, 62]).await, [4]);
}

#[tokio::test]
async fn by_age_the_next_snapshot_is_taken_when_the_newest_one_is_older() {
    assert_eq!(taken_at(SnapshotPolicy::older_than(HOUR), &[0, 61, 100, 121, 122, 182, 500]).await, [2, 5, 7]);
}

#[tokio::test]
async fn by_number_and_age_the_first_that_is_due_decides() {
    let policy = SnapshotPolicy::every(3).or_older_than(HOUR);
    assert_eq!(taken_at(policy, &[0, 1, 2, 3, 70, 71, 72, 200, 201]).await, [3, 5, 6, 8, 9]);
}

#[tokio::test]
async fn by_age_a_command_takes_the_snapshot_that_is_due() {
    let (clock, _, snapshots, counters) = timed(SnapshotPolicy::older_than(HOUR));
    counters.execute(&id(), Add(1)).await.unwrap();
    clock.advance(2 * HOUR);
    counters.execute(&id(), Add(1)).await.unwrap();
    counters.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [2], "the first was long ago, the moment before was not");
}

#[tokio::test]
async fn the_age_does_not_depend_on_when_events_happened() {
    let (_, snapshots, counters) = with(SnapshotPolicy::older_than(HOUR));
    for occurred in [Timestamp::MIN, Timestamp::MAX] {
        counters.execute_with(&id(), Add(1), Context::new().occurred_at(occurred)).await.unwrap();
    }
    settled().await;
    assert_eq!(snapshots.saving(), Vec::<u64>::new());
}

#[tokio::test]
async fn the_policy_of_the_repository_stands_above_that_of_the_aggregate() {
    let (_, snapshots, counters) = with(SnapshotPolicy::every(2));
    for _ in 0..6 {
        counters.execute(&id(), Add(1)).await.unwrap();
        settled().await;
    }
    assert_eq!(snapshots.saving(), [2, 4, 6], "and not 5");
}

#[tokio::test]
async fn an_aggregate_without_a_policy_has_snapshots_when_the_repository_has_one() {
    let (store, snapshots) = (WatchedStore::default(), WatchedSnapshots::default());
    let bare = crate::repository::<Bare>(store.clone()).snapshots(snapshots.clone());
    bare.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), Vec::<u64>::new());
    let bare = bare.snapshot_policy(SnapshotPolicy::every(1));
    bare.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [2]);
    let elsewhere =
        Repository::<Bare>::new(store.clone()).snapshots(snapshots.clone()).snapshot_policy(SnapshotPolicy::ON_DEMAND);
    store.events_read();
    assert_eq!(elsewhere.load(&id()).await.unwrap().unwrap().state.total, 2);
    assert_eq!(store.events_read(), 1);
}

#[tokio::test]
async fn on_demand_none_is_taken_by_itself_and_those_that_are_there_are_used() {
    let (_, snapshots, counters) = given(40).await;
    let counters = counters.snapshot_policy(SnapshotPolicy::ON_DEMAND);
    counters.execute(&id(), AddOnes(20)).await.unwrap();
    snapshots.save(telltale(&counters, 50).await).await.unwrap();
    let elsewhere = counters.clone();
    assert_eq!(
        elsewhere.load_as_of(&id(), AsOf::Version(Version::new(60).unwrap())).await.unwrap().unwrap().state.total,
        1_000_010
    );
    settled().await;
    let newest = snapshots.newest(&super::snapshots::newest_of(1)).await.unwrap().unwrap();
    assert_eq!(newest.version.get(), 50);
}

#[tokio::test]
async fn never_neither_takes_nor_uses_one() {
    let (_, snapshots, counters) = given(40).await;
    let counters = counters.snapshot_policy(SnapshotPolicy::NEVER);
    snapshots.save(telltale(&counters, 10).await).await.unwrap();
    assert_eq!(total(&counters).await, 40);
    settled().await;
    let newest = snapshots.newest(&super::snapshots::newest_of(1)).await.unwrap().unwrap();
    assert_eq!(newest.version.get(), 10);
    assert!(matches!(counters.snapshot(&id()).await, Err(SnapshotError::Disabled)));
    assert!(matches!(
        Repository::<Counter>::new(WatchedStore::default()).snapshot(&id()).await,
        Err(SnapshotError::Disabled)
    ));
}

#[tokio::test]
async fn a_snapshot_on_demand_says_what_it_stands_on() {
    let (store, snapshots, counters) = given(7).await;
    let counters = counters.snapshot_policy(SnapshotPolicy::ON_DEMAND);
    let taken = counters.snapshot(&id()).await.unwrap().unwrap();
    let newest = counters.load(&id()).await.unwrap().unwrap();
    assert_eq!((taken.version, taken.position, taken.event_id), (newest.version, newest.position, newest.event_id));
    assert_eq!((taken.recorded_at, taken.state.as_str()), (newest.recorded_at, r#"{"total":7}"#));
    assert_eq!(
        snapshots.newest(&super::snapshots::newest_of(1)).await.unwrap(),
        Some(taken.clone()),
        "it is kept already"
    );
    assert_eq!(counters.snapshot(&id()).await.unwrap(), Some(taken), "again, on the same event");
    store.events_read();
    let elsewhere = Repository::<Counter>::new(store.clone()).snapshots(snapshots);
    assert_eq!(total(&elsewhere).await, 7);
    assert_eq!(store.events_read(), 1, "and loads start from it");
}

#[tokio::test]
async fn a_snapshot_on_demand_is_of_the_newest_state_whoever_wrote_it() {
    let (store, _, counters) = given(3).await;
    total(&counters).await;
    Repository::<Counter>::new(store).execute(&id(), Add(10)).await.unwrap();
    let taken = counters.snapshot(&id()).await.unwrap().unwrap();
    assert_eq!((taken.version.get(), taken.state.as_str()), (4, r#"{"total":13}"#));
}

#[tokio::test]
async fn an_aggregate_without_events_has_no_snapshot_on_demand() {
    let (_, _, counters) = given(0).await;
    assert_eq!(counters.snapshot(&id()).await.unwrap(), None);
    assert!(matches!(counters.snapshot(&"\n".to_owned()).await, Err(SnapshotError::Load(_))));
}

#[tokio::test]
async fn after_a_snapshot_on_demand_the_policy_counts_from_it() {
    let (_, snapshots, counters) = with(SnapshotPolicy::every(5));
    counters.execute(&id(), AddOnes(4)).await.unwrap();
    counters.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [5]);
    counters.execute(&id(), AddOnes(4)).await.unwrap();
    counters.snapshot(&id()).await.unwrap();
    counters.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [9, 10]);
}
