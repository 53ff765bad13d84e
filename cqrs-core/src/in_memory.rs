//! Every port in memory: for tests, for first steps, and as the shortest reading of the contracts.
//!
//! Nothing here outlives the process.

mod checkpoint_store;
mod dead_letter_store;
mod event_store;
mod lease;
mod publisher;
mod read_model;
mod snapshot_store;

pub use checkpoint_store::InMemoryCheckpointStore;
pub use dead_letter_store::InMemoryDeadLetterStore;
pub use event_store::InMemoryEventStore;
pub use lease::InMemoryLeaseStore;
pub use publisher::InMemoryPublisher;
pub use read_model::InMemoryReadModel;
pub use snapshot_store::InMemorySnapshotStore;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic of another thread leaves whole values behind: each is changed by one assignment or push at the end.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
