//! How many snapshots are kept.

use cqrs_core::in_memory::InMemorySnapshotStore;
use cqrs_core::{AsOf, Repository, Snapshot, SnapshotError, SnapshotPolicy, SnapshotStore, Version};

use super::counter::{Add, AddOnes, Counter, CounterOfToday, id};
use super::snapshots::{newest_of, telltale, total};
use super::watched_snapshots::{WatchedSnapshots, settled};
use super::watched_store::WatchedStore;

/// The versions of the counter's snapshots, in ascending order.
async fn kept(snapshots: &InMemorySnapshotStore, state_version: u32) -> Vec<u64> {
    let (mut query, mut kept) = (newest_of(state_version), Vec::new());
    while let Some(snapshot) = snapshots.newest(&query).await.unwrap() {
        kept.insert(0, snapshot.version.get());
        let Some(before) = snapshot.version.previous() else { break };
        query.as_of = Some(AsOf::Version(before));
    }
    kept
}

fn each() -> (WatchedStore, InMemorySnapshotStore, Repository<Counter>) {
    let (store, snapshots) = (WatchedStore::default(), InMemorySnapshotStore::new());
    let counters = crate::repository::<Counter>(store.clone())
        .snapshots(snapshots.clone())
        .snapshot_policy(SnapshotPolicy::every(1));
    (store, snapshots, counters)
}

async fn add(counters: &Repository<Counter>, times: usize) {
    for _ in 0..times {
        counters.execute(&id(), Add(1)).await.unwrap();
        settled().await;
    }
}

#[tokio::test]
async fn the_newest_ten_are_kept() {
    let (_, snapshots, counters) = each();
    add(&counters, 25).await;
    assert_eq!(kept(&snapshots, 1).await, (16..=25).collect::<Vec<_>>());
}

#[tokio::test]
async fn as_many_as_wanted_are_kept_and_at_least_one() {
    for (keep, expected) in [(0, vec![15]), (3, vec![13, 14, 15]), (u32::MAX, (1..=15).collect())] {
        let (_, snapshots, counters) = each();
        add(&counters.keep_snapshots(keep), 15).await;
        assert_eq!(kept(&snapshots, 1).await, expected);
    }
}

#[tokio::test]
async fn one_on_demand_is_kept_among_the_others() {
    let (_, snapshots, counters) = each();
    let counters = counters.keep_snapshots(2);
    add(&counters, 3).await;
    counters.clone().snapshot_policy(SnapshotPolicy::ON_DEMAND).execute(&id(), Add(1)).await.unwrap();
    counters.snapshot(&id()).await.unwrap();
    assert_eq!(kept(&snapshots, 1).await, [3, 4]);
}

#[tokio::test]
async fn a_past_state_before_the_oldest_snapshot_is_folded_from_the_events() {
    let (store, _, counters) = each();
    add(&counters.clone().keep_snapshots(2), 10).await;
    store.events_read();
    for (version, read) in [(5, 5), (9, 1)] {
        let then = counters.load_as_of(&id(), AsOf::Version(Version::new(version).unwrap())).await.unwrap().unwrap();
        assert_eq!((then.state.total, store.events_read()), (version as i64, read));
    }
}

#[tokio::test]
async fn side_by_side_two_versions_of_the_code_keep_each_its_own() {
    let (store, snapshots, counters) = each();
    let counters = counters.keep_snapshots(2);
    let of_today = crate::repository::<CounterOfToday>(store.clone())
        .snapshots(snapshots.clone())
        .snapshot_policy(SnapshotPolicy::every(1))
        .keep_snapshots(2);
    for _ in 0..5 {
        add(&counters, 1).await;
        of_today.execute(&id(), Add(1)).await.unwrap();
        settled().await;
    }
    assert_eq!((kept(&snapshots, 1).await.len(), kept(&snapshots, 2).await.len()), (2, 2));
}

#[tokio::test]
async fn pruning_on_demand_drops_other_shapes_and_what_is_too_many_of_all_aggregates() {
    let (store, snapshots, counters) = each();
    add(&counters, 5).await;
    let of_today = crate::repository::<CounterOfToday>(store.clone()).snapshots(snapshots.clone());
    of_today.snapshot(&id()).await.unwrap();
    for number in 0..30 {
        let key = number.to_string();
        counters.execute(&key, AddOnes(3)).await.unwrap();
        settled().await;
        counters.execute(&key, Add(1)).await.unwrap();
        settled().await;
    }
    snapshots.save(Snapshot { fingerprint: 1, ..telltale(&counters, 2).await }).await.unwrap();
    assert_eq!((kept(&snapshots, 1).await, kept(&snapshots, 2).await), (vec![1, 2, 3, 4, 5], vec![5]));
    let mut pruning = counters.clone().keep_snapshots(1).prune_snapshots();
    while pruning.next().await.unwrap().is_some() {}
    // Of the first one 4, one of each other shape, and one of each other counter.
    assert_eq!((pruning.progress().streams, pruning.progress().dropped), (31, 4 + 2 + 30));
    assert_eq!((kept(&snapshots, 1).await, kept(&snapshots, 2).await), (vec![5], vec![]));
    assert_eq!(total(&counters).await, 5);
    let restarted = crate::repository::<CounterOfToday>(store).snapshots(snapshots.clone());
    assert_eq!(restarted.load(&id()).await.unwrap().unwrap().state.events, 5, "it is folded, and taken again");
    settled().await;
    assert_eq!(kept(&snapshots, 2).await, [5]);
}

#[tokio::test]
async fn pruning_goes_on_after_the_last_aggregate_of_a_run_before() {
    let (_, snapshots, counters) = each();
    let keys = ["a", "b", "c"];
    for key in keys {
        counters.execute(&key.to_owned(), Add(1)).await.unwrap();
        settled().await;
        counters.execute(&key.to_owned(), Add(1)).await.unwrap();
        settled().await;
    }
    let mut pruning = counters.keep_snapshots(1).prune_snapshots().after("counter-a".parse().unwrap());
    while pruning.next().await.unwrap().is_some() {}
    assert_eq!((pruning.progress().streams, pruning.progress().dropped), (2, 2));
    assert_eq!(pruning.progress().last, Some("counter-c".parse().unwrap()));
    assert_eq!(kept(&snapshots, 1).await, [1, 2], "that of counter-a");
}

#[tokio::test]
async fn pruning_that_failed_is_tried_again_where_it_was() {
    let (store, snapshots) = (WatchedStore::default(), WatchedSnapshots::default());
    let counters = crate::repository::<Counter>(store).snapshots(snapshots.clone());
    counters.execute(&id(), AddOnes(5)).await.unwrap();
    settled().await;
    let mut pruning = counters.prune_snapshots();
    snapshots.be_down();
    assert!(pruning.next().await.unwrap_err().is_transient());
    snapshots.repair();
    while pruning.next().await.unwrap().is_some() {}
    assert_eq!(pruning.progress().streams, 1);
    let mut without = Repository::<Counter>::new(WatchedStore::default()).prune_snapshots();
    assert!(matches!(without.next().await, Err(SnapshotError::Disabled)));
}
