//! [`Repository`](cqrs_core::Repository) with cached aggregates: the same tests, and what only a cache can get wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

#[path = "repository/archiving.rs"]
mod archiving;
#[path = "repository/as_of.rs"]
mod as_of;
#[path = "repository/cache.rs"]
mod cache;
#[path = "repository/claims.rs"]
mod claims;
#[path = "repository/conflicts.rs"]
mod conflicts;
#[path = "repository/context.rs"]
mod context;
#[path = "repository/counter.rs"]
mod counter;
#[path = "repository/executing.rs"]
mod executing;
#[path = "repository/loading.rs"]
mod loading;
#[path = "repository/repeated_commands.rs"]
mod repeated_commands;
#[path = "repository/replaying.rs"]
mod replaying;
#[path = "repository/restarts.rs"]
mod restarts;
#[path = "repository/snapshot_failures.rs"]
mod snapshot_failures;
#[path = "repository/snapshot_policies.rs"]
mod snapshot_policies;
#[path = "repository/snapshot_property.rs"]
mod snapshot_property;
#[path = "repository/snapshot_pruning.rs"]
mod snapshot_pruning;
#[path = "repository/snapshot_rebuild.rs"]
mod snapshot_rebuild;
#[path = "repository/snapshots.rs"]
mod snapshots;
#[path = "repository/tags.rs"]
mod tags;
#[path = "repository/together.rs"]
mod together;
#[path = "repository/truncated_meanwhile.rs"]
mod truncated_meanwhile;
#[path = "repository/truncating.rs"]
mod truncating;
#[path = "repository/virtual_time.rs"]
mod virtual_time;
#[path = "repository/watched_snapshots.rs"]
mod watched_snapshots;
#[path = "repository/watched_store.rs"]
mod watched_store;

/// With a cache; `repository.rs` runs the same tests without one.
fn repository<A: cqrs_core::Apply>(store: impl cqrs_core::EventStore) -> cqrs_core::Repository<A> {
    cqrs_core::Repository::new(store).cache(1_000)
}
