//! Snapshots: taken off the command's path, used when they fit, never believed when they do not.

use std::time::Duration;

use cqrs_core::in_memory::InMemorySnapshotStore;
use cqrs_core::{
    AsOf, Context, DomainEvent, EventId, Payload, Repository, Snapshot, SnapshotQuery, SnapshotStore, StreamName,
    Timestamp, Version,
};

use super::counter::{Add, AddOnes, Counter, CounterEvent, CounterOfToday, id};
use super::watched_store::WatchedStore;

pub fn stream() -> StreamName {
    StreamName::new("counter-a").unwrap()
}

pub fn newest_of(state_version: u32) -> SnapshotQuery {
    SnapshotQuery { stream: stream(), as_of: None, state_version, fingerprint: CounterEvent::FINGERPRINT }
}

/// Waits for the snapshot at `version`, which is taken in the background.
pub async fn taken(snapshots: &InMemorySnapshotStore, state_version: u32, version: u64) -> Snapshot {
    let waiting = async {
        loop {
            match snapshots.newest(&newest_of(state_version)).await.unwrap() {
                Some(snapshot) if snapshot.version.get() == version => return snapshot,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the snapshot is taken")
}

/// So many additions of 1 and a store that counts reading, without snapshots so far.
pub async fn given(events: usize) -> (WatchedStore, InMemorySnapshotStore, Repository<Counter>) {
    let (store, snapshots) = (WatchedStore::default(), InMemorySnapshotStore::new());
    if events > 0 {
        crate::repository::<Counter>(store.clone()).execute(&id(), AddOnes(events)).await.unwrap();
    }
    let counters = crate::repository::<Counter>(store.clone()).snapshots(snapshots.clone());
    store.events_read();
    (store, snapshots, counters)
}

/// A snapshot that says 1,000,000 at `version`: a state that shows whether it was used.
pub async fn telltale(counters: &Repository<Counter>, version: usize) -> Snapshot {
    let event = counters.history(&id()).await.unwrap().remove(version - 1);
    Snapshot {
        stream: stream(),
        version: event.version,
        position: event.position,
        event_id: event.id,
        recorded_at: event.recorded_at,
        happened_until: event.recorded_at,
        state_version: 1,
        fingerprint: CounterEvent::FINGERPRINT,
        state: Payload::from_bytes(r#"{"total":1000000}"#),
    }
}

pub async fn total(counters: &Repository<Counter>) -> i64 {
    counters.load(&id()).await.unwrap().unwrap().state.total
}

#[tokio::test]
async fn a_snapshot_is_taken_every_so_many_events() {
    let (_, snapshots, counters) = given(0).await;
    for number in 1..=4 {
        counters.execute(&id(), Add(number)).await.unwrap();
    }
    let done = counters.execute(&id(), Add(5)).await.unwrap();
    let snapshot = taken(&snapshots, 1, 5).await;
    assert_eq!(snapshot.state.as_str(), r#"{"total":15}"#);
    assert_eq!((snapshot.position, snapshot.version), (done.position, Version::new(5).unwrap()));
    let newest = counters.load(&id()).await.unwrap().unwrap();
    assert_eq!((snapshot.event_id, snapshot.recorded_at), (newest.event_id, newest.recorded_at));
    for number in 6..=9 {
        counters.execute(&id(), Add(number)).await.unwrap();
    }
    assert_eq!(taken(&snapshots, 1, 5).await, snapshot, "none in between");
    counters.execute(&id(), Add(10)).await.unwrap();
    assert_eq!(taken(&snapshots, 1, 10).await.state.as_str(), r#"{"total":55}"#);
}

#[tokio::test]
async fn a_decision_of_several_events_that_passes_the_number_is_snapshot_after_its_last() {
    let (_, snapshots, counters) = given(0).await;
    counters.execute(&id(), AddOnes(3)).await.unwrap();
    counters.execute(&id(), AddOnes(4)).await.unwrap();
    assert_eq!(taken(&snapshots, 1, 7).await.state.as_str(), r#"{"total":7}"#);
}

#[tokio::test]
async fn loading_a_long_stream_takes_the_snapshot_that_is_missing() {
    let (_, snapshots, counters) = given(12).await;
    assert_eq!(total(&counters).await, 12);
    assert_eq!(taken(&snapshots, 1, 12).await.state.as_str(), r#"{"total":12}"#);
}

#[tokio::test]
async fn without_a_snapshot_store_or_policy_everything_is_folded() {
    let (store, _, _) = given(12).await;
    assert_eq!(total(&Repository::new(store.clone())).await, 12);
    assert_eq!(store.events_read(), 12);
}

#[tokio::test]
async fn loading_starts_at_the_snapshot() {
    let (store, snapshots, counters) = given(12).await;
    total(&counters).await;
    assert_eq!(store.events_read(), 12);
    taken(&snapshots, 1, 12).await;
    assert_eq!(total(&counters).await, 12);
    assert_eq!(store.events_read(), 1, "the event that the snapshot stands on");
    counters.execute(&id(), AddOnes(2)).await.unwrap();
    store.events_read();
    let elsewhere = Repository::<Counter>::new(store.clone()).snapshots(snapshots.clone());
    assert_eq!(total(&elsewhere).await, 14);
    assert_eq!(store.events_read(), 3, "that one and those after it");
}

#[tokio::test]
async fn commands_are_decided_on_the_snapshot() {
    let (store, snapshots, counters) = given(12).await;
    total(&counters).await;
    taken(&snapshots, 1, 12).await;
    store.events_read();
    assert_eq!(counters.execute(&id(), Add(1)).await.unwrap().version, Version::new(13));
    assert_eq!(store.events_read(), 1);
}

#[tokio::test]
async fn a_snapshot_that_fits_is_believed() {
    let (_, snapshots, counters) = given(4).await;
    snapshots.save(telltale(&counters, 3).await).await.unwrap();
    assert_eq!(total(&counters).await, 1_000_001, "it stands in for three events");
}

#[tokio::test]
async fn a_snapshot_of_another_state_version_is_discarded() {
    let (_, snapshots, counters) = given(4).await;
    for state_version in [0, 2] {
        snapshots.save(Snapshot { state_version, ..telltale(&counters, 3).await }).await.unwrap();
    }
    assert_eq!(total(&counters).await, 4);
}

#[tokio::test]
async fn a_state_of_another_shape_is_folded_again_and_snapshot_for_itself() {
    let (store, snapshots, counters) = given(6).await;
    total(&counters).await;
    taken(&snapshots, 1, 6).await;
    store.events_read();
    let of_today = crate::repository::<CounterOfToday>(store.clone()).snapshots(snapshots.clone());
    let loaded = of_today.load(&id()).await.unwrap().unwrap().state;
    assert_eq!((loaded, store.events_read()), (CounterOfToday { total: 6, events: 6 }, 6));
    taken(&snapshots, 2, 6).await;
    of_today.load(&id()).await.unwrap();
    assert_eq!(store.events_read(), 1);
}

#[tokio::test]
async fn a_snapshot_under_another_definition_of_the_events_is_discarded() {
    let (_, snapshots, counters) = given(4).await;
    let fingerprint = CounterEvent::FINGERPRINT ^ 1;
    snapshots.save(Snapshot { fingerprint, ..telltale(&counters, 3).await }).await.unwrap();
    assert_eq!(total(&counters).await, 4);
}

#[tokio::test]
async fn a_snapshot_that_stands_on_an_event_that_is_not_in_the_log_is_discarded() {
    let (_, snapshots, counters) = given(4).await;
    snapshots.save(Snapshot { event_id: EventId::new(), ..telltale(&counters, 3).await }).await.unwrap();
    assert_eq!(total(&counters).await, 4);
    // As after the restoration of a store that is shorter.
    let beyond = Snapshot { version: Version::new(9).unwrap(), ..telltale(&counters, 3).await };
    snapshots.save(beyond).await.unwrap();
    assert_eq!(total(&counters).await, 4);
}

#[tokio::test]
async fn a_snapshot_that_does_not_decode_is_discarded() {
    let (_, snapshots, counters) = given(4).await;
    let state = Payload::from_bytes(r#"{"total":"many"}"#);
    snapshots.save(Snapshot { state, ..telltale(&counters, 3).await }).await.unwrap();
    assert_eq!(total(&counters).await, 4);
}

#[tokio::test]
async fn a_past_state_starts_at_the_newest_snapshot_that_is_not_after_it() {
    let (store, snapshots, counters) = given(9).await;
    let (third, sixth) = (telltale(&counters, 3).await, telltale(&counters, 6).await);
    let state = Payload::from_bytes(r#"{"total":2000000}"#);
    snapshots.save(third.clone()).await.unwrap();
    snapshots.save(Snapshot { state, ..sixth.clone() }).await.unwrap();
    store.events_read();
    for (number, expected) in [(2, 2), (3, 1_000_000), (5, 1_000_002), (6, 2_000_000), (8, 2_000_002)] {
        let as_of = AsOf::Version(Version::new(number).unwrap());
        let loaded = counters.load_as_of(&id(), as_of).await.unwrap().unwrap();
        assert_eq!((loaded.state.total, loaded.version.get()), (expected, number));
    }
    let as_of = AsOf::Position(sixth.position.previous());
    assert_eq!(counters.load_as_of(&id(), as_of).await.unwrap().unwrap().state.total, 1_000_002);
    let as_of = AsOf::Recorded(third.recorded_at.plus_micros(-1));
    assert_eq!(counters.load_as_of(&id(), as_of).await.unwrap(), None);
}

#[tokio::test]
async fn what_had_occurred_by_a_time_starts_at_a_snapshot_only_when_all_of_it_had() {
    let day = |day: i64| Timestamp::from_micros(day * 86_400_000_000);
    let (store, snapshots, counters) = given(0).await;
    let add = async |happened| {
        counters.execute_with(&id(), Add(happened), Context::new().occurred_at(day(happened))).await.unwrap();
    };
    // Six events; the third one happened last.
    for happened in [1, 2, 9, 4, 5] {
        add(happened).await;
    }
    let snapshot = taken(&snapshots, 1, 5).await;
    assert_eq!(snapshot.happened_until, day(9));
    add(6).await;
    store.events_read();
    for (moment, total, version, read) in [(2, 3, 2, 6), (5, 12, 5, 6), (8, 18, 6, 6), (9, 27, 6, 2)] {
        let loaded = counters.load_as_of(&id(), AsOf::Occurred(day(moment))).await.unwrap().unwrap();
        assert_eq!((loaded.state.total, loaded.version.get()), (total, version), "day {moment}");
        assert_eq!(store.events_read(), read, "day {moment}");
    }
}

#[tokio::test]
async fn a_snapshot_after_a_command_knows_when_its_events_happened() {
    for happened in [Some(Timestamp::MAX), Some(Timestamp::MIN), None] {
        let (_, snapshots, counters) = given(0).await;
        let context = happened.map_or_else(Context::new, |time| Context::new().occurred_at(time));
        counters.execute_with(&id(), AddOnes(5), context).await.unwrap();
        let snapshot = taken(&snapshots, 1, 5).await;
        assert_eq!(snapshot.happened_until, happened.unwrap_or(snapshot.recorded_at));
    }
}

#[tokio::test]
async fn past_states_with_and_without_snapshots_agree() {
    let (store, snapshots, counters) = given(0).await;
    let time = |number: u64| Timestamp::from_micros(i64::try_from(number * 7 % 11).unwrap());
    for number in 1..=23 {
        let context = Context::new().occurred_at(time(number));
        counters.execute_with(&id(), Add(1 << number), context).await.unwrap();
        if number % 5 == 0 {
            taken(&snapshots, 1, number).await;
        }
    }
    let plain = crate::repository::<Counter>(store.clone());
    let history = plain.history(&id()).await.unwrap();
    let moments = history
        .iter()
        .flat_map(|event| {
            [AsOf::Version(event.version), AsOf::Position(event.position), AsOf::Recorded(event.recorded_at)]
        })
        .chain((0..12).map(|micros| AsOf::Occurred(Timestamp::from_micros(micros))));
    for moment in moments {
        let expected = plain.load_as_of(&id(), moment).await.unwrap().map(|loaded| (loaded.state, loaded.provisional));
        let found = counters.load_as_of(&id(), moment).await.unwrap().map(|loaded| (loaded.state, loaded.provisional));
        assert_eq!(found, expected, "{moment:?}");
    }
}
