//! Aggregates out of the log and into it: load, decide, append.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

mod error;
mod execute;
mod fold;
mod line;
mod load;
mod snapshots;

pub use error::{ExecuteError, LoadError};
pub use execute::Executed;
pub use load::Loaded;

use crate::aggregate::Apply;
use crate::event_store::EventStore;
use crate::snapshot_store::SnapshotStore;
use line::Lines;
use snapshots::Snapshots;

/// Loads aggregates of one kind and carries out commands on them.
///
/// A repository is cheap to clone; clones share everything.
pub struct Repository<A: Apply> {
    store: Arc<dyn EventStore>,
    snapshots: Option<Snapshots<A>>,
    lines: Option<Lines<A>>,
    conflict_retries: usize,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Apply> Repository<A> {
    /// Aggregates whose events are in `store`.
    #[must_use]
    pub fn new(store: impl EventStore) -> Self {
        Self { store: Arc::new(store), snapshots: None, lines: None, conflict_retries: 10, aggregate: PhantomData }
    }

    /// Takes snapshots as the aggregate's [`SnapshotPolicy`](crate::SnapshotPolicy) says, and loads from them. They are
    /// written in the background; a command never waits for one. Without a policy nothing changes.
    #[must_use]
    pub fn snapshots(mut self, snapshots: impl SnapshotStore) -> Self
    where
        A: serde::Serialize + serde::de::DeserializeOwned,
    {
        self.snapshots = A::SNAPSHOT.map(|policy| Snapshots::new(Arc::new(snapshots), policy));
        self
    }

    /// Keeps up to so many aggregates in memory, so that a command on one of them is one append and no read.
    ///
    /// Commands on one aggregate are then decided in line, each on the state that the one before it leaves; those that
    /// arrive while an append is being committed are written together in the next one. The state is checked by the append
    /// itself: what others wrote is a conflict, and the command is decided again. A rejection, or a decision that there is
    /// nothing to do, is given only after the log was found unchanged.
    #[must_use]
    pub fn cache(mut self, aggregates: u64) -> Self {
        self.lines = Some(Lines::new(aggregates));
        self
    }

    /// How often a command is decided again when another writer was faster; 10 unless told. After that, and at once with
    /// 0, the conflict is the caller's.
    #[must_use]
    pub fn conflict_retries(mut self, retries: usize) -> Self {
        self.conflict_retries = retries;
        self
    }
}

impl<A: Apply> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            snapshots: self.snapshots.clone(),
            lines: self.lines.clone(),
            conflict_retries: self.conflict_retries,
            aggregate: PhantomData,
        }
    }
}

impl<A: Apply> fmt::Debug for Repository<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("category", &A::CATEGORY)
            .field("store", &self.store)
            .field("snapshots", &self.snapshots)
            .field("lines", &self.lines)
            .field("conflict_retries", &self.conflict_retries)
            .finish()
    }
}
