//! Snapshots that fail, hang or come late hold nothing up, and are taken again when they may succeed.

use std::collections::BTreeMap;

use cqrs_core::{
    Aggregate, Apply, EventId, Handle, Repository, Snapshot, SnapshotError, SnapshotPolicy, SnapshotStore, Version,
};
use serde::{Deserialize, Serialize, Serializer};

use super::counter::{Add, AddOnes, Counter, CounterEvent, Reached, id};
use super::snapshots::{given, newest_of, telltale, total};
use super::watched_snapshots::{WatchedSnapshots, settled};
use super::watched_store::WatchedStore;

fn every(events: u32) -> (WatchedStore, WatchedSnapshots, Repository<Counter>) {
    let (store, snapshots) = (WatchedStore::default(), WatchedSnapshots::default());
    let counters = crate::repository::<Counter>(store.clone())
        .snapshots(snapshots.clone())
        .snapshot_policy(SnapshotPolicy::every(events));
    (store, snapshots, counters)
}

#[tokio::test]
async fn a_snapshot_store_that_is_down_fails_no_command_and_the_next_one_after_it_is_snapshot() {
    let (_, snapshots, counters) = every(5);
    counters.execute(&id(), Add(1)).await.unwrap();
    snapshots.be_down();
    counters.execute(&id(), AddOnes(4)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [5]);
    assert_eq!(total(&counters).await, 5);
    settled().await;
    snapshots.saving();
    snapshots.repair();
    counters.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    // Without a cache, loading the state for the command takes it already.
    assert!(matches!(snapshots.saving()[..], [5 | 6]), "though the multiple has passed");
    counters.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), Vec::<u64>::new());
}

#[tokio::test]
async fn what_the_snapshot_store_refuses_is_tried_again_only_when_the_next_one_is_due() {
    let (_, snapshots, counters) = every(5);
    snapshots.refuse();
    for _ in 0..12 {
        counters.execute(&id(), Add(1)).await.unwrap();
        settled().await;
    }
    assert_eq!(snapshots.saving(), [5, 10]);
    assert!(matches!(counters.snapshot(&id()).await, Err(SnapshotError::Store(error)) if !error.is_transient()));
}

#[tokio::test]
async fn a_burst_while_one_is_written_leads_to_one_more_the_newest() {
    let (_, snapshots, counters) = every(1);
    snapshots.close();
    for _ in 0..300 {
        counters.execute(&id(), Add(1)).await.unwrap();
        settled().await;
    }
    assert_eq!(total(&counters).await, 300, "nothing waits for a snapshot");
    assert_eq!(snapshots.saving(), [1]);
    snapshots.open();
    settled().await;
    assert_eq!(snapshots.saving(), [300]);
    assert_eq!(snapshots.inner.newest(&newest_of(1)).await.unwrap().unwrap().version.get(), 300);
}

#[tokio::test]
async fn what_waits_to_be_written_is_bounded_and_what_was_left_out_is_taken_later() {
    let (_, snapshots, counters) = every(1);
    snapshots.close();
    for number in 0..1_000 {
        counters.execute(&number.to_string(), Add(1)).await.unwrap();
    }
    settled().await;
    assert_eq!(snapshots.saving().len(), 8, "at once");
    snapshots.open();
    settled().await;
    while !snapshots.saving().is_empty() {
        settled().await;
    }
    let missing = async || {
        let mut missing = 0;
        for number in 0..1_000 {
            let query =
                cqrs_core::SnapshotQuery { stream: format!("counter-{number}").parse().unwrap(), ..newest_of(1) };
            missing += usize::from(snapshots.inner.newest(&query).await.unwrap().is_none());
        }
        missing
    };
    assert!((700..1_000 - 8).contains(&missing().await), "some waited, most were left out: {}", missing().await);
    for number in 0..1_000 {
        counters.load(&number.to_string()).await.unwrap();
        settled().await;
    }
    assert_eq!(missing().await, 0);
}

#[tokio::test]
async fn snapshots_that_are_written_out_of_order_leave_the_newest_one_in_use() {
    let (store, snapshots, here) = every(5);
    let here = here.keep_snapshots(1);
    snapshots.close();
    here.execute(&id(), AddOnes(5)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [5], "it is on its way");
    let there = Repository::<Counter>::new(store.clone()).snapshots(snapshots.inner.clone()).keep_snapshots(1);
    there.execute(&id(), AddOnes(5)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.inner.newest(&newest_of(1)).await.unwrap().unwrap().version.get(), 10);
    snapshots.open();
    settled().await;
    let left: Snapshot = snapshots.inner.newest(&newest_of(1)).await.unwrap().unwrap();
    assert_eq!((left.version.get(), left.state.as_str()), (10, r#"{"total":10}"#));
    store.events_read();
    assert_eq!(there.load(&id()).await.unwrap().unwrap().state.total, 10);
    assert_eq!(store.events_read(), 1);
}

#[tokio::test]
async fn snapshots_of_another_past_are_dropped_so_that_new_ones_are_found() {
    let (store, snapshots, counters) = given(7).await;
    let counters = counters.keep_snapshots(1);
    let lost =
        Snapshot { version: Version::new(900).unwrap(), event_id: EventId::new(), ..telltale(&counters, 3).await };
    snapshots.save(lost).await.unwrap();
    assert_eq!(total(&counters).await, 7);
    settled().await;
    assert_eq!(snapshots.newest(&newest_of(1)).await.unwrap().unwrap().version.get(), 7);
    store.events_read();
    let elsewhere = Repository::<Counter>::new(store.clone()).snapshots(snapshots);
    assert_eq!(total(&elsewhere).await, 7);
    assert_eq!(store.events_read(), 1);
}

/// Its state has no JSON form, and panics when it comes to 13.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "odd", id = String, event = CounterEvent, error = Reached, snapshot(every = 1))]
struct Odd {
    #[serde(serialize_with = "not_thirteen")]
    total: i64,
    #[serde(skip_deserializing)]
    by_pair: BTreeMap<(u8, u8), u8>,
}

fn not_thirteen<S: Serializer>(total: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    assert!(*total != 13, "thirteen");
    serializer.serialize_i64(*total)
}

impl Apply for Odd {
    fn apply(&mut self, event: &CounterEvent) {
        let CounterEvent::Added { amount } = event;
        self.total += amount;
        // Only an empty map has a JSON form.
        self.by_pair = if self.total == 7 { BTreeMap::from([((0, 0), 0)]) } else { BTreeMap::new() };
    }
}

impl Handle<Add> for Odd {
    fn handle(&self, command: &Add) -> Result<Vec<CounterEvent>, Reached> {
        Ok(vec![CounterEvent::Added { amount: command.0 }])
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_encoded_fails_no_command() {
    let snapshots = WatchedSnapshots::default();
    let odd = crate::repository::<Odd>(WatchedStore::default()).snapshots(snapshots.clone());
    odd.execute(&id(), Add(7)).await.unwrap();
    settled().await;
    assert!(matches!(odd.snapshot(&id()).await, Err(SnapshotError::Encode(_))));
    assert_eq!(snapshots.saving(), Vec::<u64>::new());
    odd.execute(&id(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [2]);
}

#[tokio::test]
async fn a_panic_while_states_are_encoded_ends_neither_commands_nor_later_snapshots() {
    let snapshots = WatchedSnapshots::default();
    let odd = crate::repository::<Odd>(WatchedStore::default()).snapshots(snapshots.clone());
    for number in 0..20 {
        odd.execute(&number.to_string(), Add(13)).await.unwrap();
        settled().await;
    }
    assert_eq!(snapshots.saving(), Vec::<u64>::new());
    odd.execute(&"0".to_owned(), Add(1)).await.unwrap();
    settled().await;
    assert_eq!(snapshots.saving(), [2]);
}
