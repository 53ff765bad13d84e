//! The contract of [`LeaseStore`]: one function per behaviour, each on a store of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Lease, LeaseStore, Leases, MemberId, ProjectionName};

type Store = Arc<dyn LeaseStore>;

/// Nothing of it runs out while a behaviour is looked at.
const LONG: Duration = Duration::from_secs(600);

/// What is to run out: long enough for a few calls to be made meanwhile, mostly.
const SHORT: Duration = Duration::from_millis(300);

const ZERO: Lease = Lease::Partition(0);
const ONE: Lease = Lease::Partition(1);

fn projection(name: &str) -> ProjectionName {
    ProjectionName::new(name).expect("the suite names its projections well")
}

fn accounts() -> ProjectionName {
    projection("accounts")
}

fn member(name: &str) -> MemberId {
    MemberId::new(name).expect("the suite names its members well")
}

fn members<const N: usize>(names: [&str; N]) -> BTreeSet<MemberId> {
    names.into_iter().map(member).collect()
}

fn held<const N: usize>(held: [(Lease, &str); N]) -> Vec<(Lease, MemberId)> {
    held.into_iter().map(|(lease, holder)| (lease, member(holder))).collect()
}

async fn heartbeat(store: &Store, name: &str, ttl: Duration) -> Leases {
    store.heartbeat(&accounts(), &member(name), ttl).await.expect("the member is announced")
}

async fn acquire(store: &Store, lease: Lease, name: &str, ttl: Duration) -> bool {
    store.acquire(&accounts(), lease, &member(name), ttl).await.expect("the store answers")
}

async fn release(store: &Store, lease: Lease, name: &str) {
    store.release(&accounts(), lease, &member(name)).await.expect("the lease is given back");
}

async fn leases(store: &Store) -> Leases {
    store.leases(&accounts()).await.expect("leases can be read")
}

async fn assert_held<const N: usize>(store: &Store, expected: [(Lease, &str); N]) {
    assert_eq!(leases(store).await.held.into_iter().collect::<Vec<_>>(), held(expected));
}

/// Waits until a lease of somebody else has run out, and takes it.
async fn outlast(store: &Store, lease: Lease, name: &str) {
    while !acquire(store, lease, name, LONG).await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn a_projection_that_nobody_joined_has_neither_members_nor_leases(store: Store) {
    assert_eq!(leases(&store).await, Leases::default());
    release(&store, ZERO, "a").await;
    store.leave(&accounts(), &member("a")).await.expect("who is not there can leave");
    assert_eq!(leases(&store).await, Leases::default());
}

pub async fn members_are_seen_once_they_are_announced(store: Store) {
    assert_eq!(heartbeat(&store, "a", LONG).await.members, members(["a"]));
    assert_eq!(heartbeat(&store, "b", LONG).await.members, members(["a", "b"]));
    assert_eq!(heartbeat(&store, "a", LONG).await.members, members(["a", "b"]));
    assert_eq!(leases(&store).await, Leases { members: members(["a", "b"]), ..Leases::default() });
}

pub async fn a_lease_has_one_holder(store: Store) {
    assert!(acquire(&store, ZERO, "a", LONG).await);
    assert!(!acquire(&store, ZERO, "b", LONG).await);
    assert!(acquire(&store, ZERO, "a", LONG).await, "its holder may ask again");
    assert!(acquire(&store, ONE, "b", LONG).await);
    assert_held(&store, [(ZERO, "a"), (ONE, "b")]).await;
}

pub async fn of_many_that_ask_at_once_one_gets_the_lease(store: Store) {
    for lease in [ZERO, ONE, Lease::Rebuild] {
        let asking: Vec<_> = (0..8)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { acquire(&store, lease, &format!("m{number}"), LONG).await })
            })
            .collect();
        let mut given = 0;
        for asked in asking {
            given += usize::from(asked.await.expect("asking does not panic"));
        }
        assert_eq!(given, 1);
    }
}

pub async fn holding_a_lease_does_not_make_a_member(store: Store) {
    assert!(acquire(&store, Lease::Rebuild, "a", LONG).await);
    assert_eq!(leases(&store).await.members, members([]));
    assert_held(&store, [(Lease::Rebuild, "a")]).await;
}

pub async fn partitions_rebuild_and_swap_are_leases_of_their_own(store: Store) {
    let all = [(Lease::Partition(0), "a"), (Lease::Partition(1_023), "b"), (Lease::Rebuild, "c"), (Lease::Swap, "d")];
    for (lease, name) in all {
        assert!(acquire(&store, lease, name, LONG).await, "{lease}");
    }
    assert_held(&store, all).await;
    release(&store, Lease::Swap, "d").await;
    assert_held(&store, [all[0], all[1], all[2]]).await;
}

pub async fn a_lease_that_is_given_back_can_be_taken_at_once(store: Store) {
    assert!(acquire(&store, ZERO, "a", LONG).await);
    release(&store, ZERO, "a").await;
    assert_held(&store, []).await;
    assert!(acquire(&store, ZERO, "b", LONG).await);
}

pub async fn only_its_holder_gives_a_lease_back(store: Store) {
    assert!(acquire(&store, ZERO, "a", LONG).await);
    release(&store, ZERO, "b").await;
    release(&store, ONE, "a").await;
    assert_held(&store, [(ZERO, "a")]).await;
}

pub async fn a_lease_that_is_not_renewed_runs_out(store: Store) {
    assert!(acquire(&store, ZERO, "a", SHORT).await);
    outlast(&store, ZERO, "b").await;
    assert_held(&store, [(ZERO, "b")]).await;
    assert!(!acquire(&store, ZERO, "a", LONG).await, "it is another's now");
    release(&store, ZERO, "a").await;
    assert_held(&store, [(ZERO, "b")]).await;
}

pub async fn a_lease_that_ran_out_is_not_listed(store: Store) {
    assert!(acquire(&store, ZERO, "a", SHORT).await);
    assert!(acquire(&store, ONE, "a", LONG).await);
    while leases(&store).await.held.len() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_held(&store, [(ONE, "a")]).await;
}

pub async fn a_heartbeat_renews_all_leases_of_its_member_and_no_others(store: Store) {
    loop {
        for (lease, name) in [(ZERO, "a"), (ONE, "a"), (Lease::Partition(2), "b")] {
            acquire(&store, lease, name, SHORT).await;
        }
        let seen = heartbeat(&store, "a", LONG).await.held;
        if held([(ZERO, "a"), (ONE, "a")]).iter().all(|(lease, holder)| seen.get(lease) == Some(holder)) {
            break;
        }
        // The machine was so slow that they ran out before the heartbeat.
    }
    outlast(&store, Lease::Partition(2), "c").await;
    assert_held(&store, [(ZERO, "a"), (ONE, "a"), (Lease::Partition(2), "c")]).await;
}

pub async fn asking_again_renews_a_lease(store: Store) {
    // Each is renewed at once, and outlived by one that was taken after it and is not renewed.
    assert!(acquire(&store, ZERO, "a", SHORT).await);
    assert!(acquire(&store, ZERO, "a", LONG).await);
    assert!(acquire(&store, ONE, "a", SHORT).await);
    outlast(&store, ONE, "b").await;
    assert_held(&store, [(ZERO, "a"), (ONE, "b")]).await;
}

pub async fn a_heartbeat_does_not_bring_back_what_ran_out(store: Store) {
    assert!(acquire(&store, ZERO, "a", SHORT).await);
    assert!(acquire(&store, ONE, "a", SHORT).await);
    outlast(&store, ONE, "b").await;
    while leases(&store).await.held.contains_key(&ZERO) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = heartbeat(&store, "a", LONG).await;
    assert_eq!(seen.held.into_iter().collect::<Vec<_>>(), held([(ONE, "b")]));
    assert_held(&store, [(ONE, "b")]).await;
}

pub async fn a_member_without_heartbeats_is_forgotten(store: Store) {
    heartbeat(&store, "a", SHORT).await;
    heartbeat(&store, "b", LONG).await;
    while leases(&store).await.members != members(["b"]) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(heartbeat(&store, "b", LONG).await.members, members(["b"]));
    assert_eq!(heartbeat(&store, "a", LONG).await.members, members(["a", "b"]), "it may come again");
}

pub async fn who_leaves_gives_everything_back(store: Store) {
    for name in ["a", "b"] {
        heartbeat(&store, name, LONG).await;
    }
    for (lease, name) in [(ZERO, "a"), (ONE, "b"), (Lease::Partition(2), "a"), (Lease::Rebuild, "a")] {
        assert!(acquire(&store, lease, name, LONG).await);
    }
    store.leave(&accounts(), &member("a")).await.expect("the member leaves");
    assert_eq!(leases(&store).await.members, members(["b"]));
    assert_held(&store, [(ONE, "b")]).await;
    assert!(acquire(&store, ZERO, "b", LONG).await);
}

pub async fn projections_do_not_mix(store: Store) {
    heartbeat(&store, "a", LONG).await;
    assert!(acquire(&store, ZERO, "a", LONG).await);
    for name in ["account", "accounts2", "accounts-2", "accounts_"] {
        let other = projection(name);
        assert_eq!(store.leases(&other).await.expect("leases can be read"), Leases::default(), "{name}");
        assert!(store.acquire(&other, ZERO, &member("b"), LONG).await.expect("the store answers"), "{name}");
        store.leave(&other, &member("a")).await.expect("the member leaves");
    }
    assert_eq!(leases(&store).await.members, members(["a"]));
    assert_held(&store, [(ZERO, "a")]).await;
}

pub async fn a_holder_that_counts_from_before_it_asked_stops_before_another_one_starts(store: Store) {
    for round in 0..5 {
        let (lease, before) = (Lease::Partition(round), std::time::Instant::now());
        assert!(acquire(&store, lease, "a", SHORT).await);
        let until = before + SHORT;
        outlast(&store, lease, "b").await;
        // A store may count in whole milliseconds.
        assert!(std::time::Instant::now() + Duration::from_millis(1) >= until, "round {round}");
    }
}
