//! Aggregates out of the log and into it: load, decide, append.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::sync::OnceCell;

mod error;
mod execute;
mod fold;
mod line;
mod load;
mod replay;
mod snapshots;
mod together;
mod truncate;

pub use error::{ExecuteError, LoadError, TruncateError};
pub use execute::Executed;
pub use load::Loaded;
pub use replay::{Replay, Step};
pub use snapshots::{
    SnapshotError, SnapshotPruning, SnapshotPruningProgress, SnapshotRebuild, SnapshotRebuildProgress,
};
pub use together::{Draft, Member, Members, Together};

use crate::aggregate::Apply;
use crate::event_store::EventStore;
use crate::id::StoreId;
use crate::snapshot_policy::SnapshotPolicy;
use crate::snapshot_store::SnapshotStore;
use line::Lines;
use snapshots::Snapshots;

/// How many snapshots of an aggregate are kept unless told.
const KEPT: u32 = 10;

/// Loads aggregates of one kind and carries out commands on them.
///
/// A repository is cheap to clone; clones share everything.
pub struct Repository<A: Apply> {
    store: Arc<dyn EventStore>,
    /// Asked for once, when a command on several aggregates needs to know.
    store_id: Arc<OnceCell<StoreId>>,
    snapshots: Option<Snapshots<A>>,
    snapshot_policy: SnapshotPolicy,
    snapshots_kept: u32,
    lines: Option<Lines<A>>,
    conflict_retries: usize,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Apply> Repository<A> {
    /// Aggregates whose events are in `store`.
    #[must_use]
    pub fn new(store: impl EventStore) -> Self {
        Self {
            store: Arc::new(store),
            store_id: Arc::default(),
            snapshots: None,
            snapshot_policy: A::SNAPSHOT,
            snapshots_kept: KEPT,
            lines: None,
            conflict_retries: 10,
            aggregate: PhantomData,
        }
    }

    /// Takes snapshots as the aggregate's [`SnapshotPolicy`] says, or [another](Self::snapshot_policy), and loads from
    /// them.
    ///
    /// They are written in the background; a command never waits for one, and never fails because of one. What goes wrong
    /// is reported to `tracing` as a warning. Of one aggregate, one snapshot is written at a time and the newest one waits
    /// behind it; when too many aggregates wait, a snapshot is left out and taken with a later event or load.
    ///
    /// The log must be the one that the snapshots are taken from, and not a copy that lags behind: a newest snapshot that
    /// stands on an event which the log does not have is dropped, and with it the others of that aggregate.
    #[must_use]
    pub fn snapshots(mut self, snapshots: impl SnapshotStore) -> Self
    where
        A: serde::Serialize + serde::de::DeserializeOwned,
    {
        self.snapshots = Some(Snapshots::new(Arc::new(snapshots)));
        self
    }

    /// Takes snapshots by this policy instead of the aggregate's own.
    #[must_use]
    pub fn snapshot_policy(mut self, policy: SnapshotPolicy) -> Self {
        self.snapshot_policy = policy;
        self
    }

    /// How many snapshots of an aggregate are kept; 10 unless told, 0 is taken as 1, [`u32::MAX`] keeps all.
    ///
    /// With each one that is written, older ones are dropped, those of the same state version and events only: while a new
    /// version of the code is rolled out, the old one's stay. A past state starts from the newest snapshot that is not
    /// after it; before the oldest one that is kept, it is folded from the first event. To keep many makes old moments
    /// faster, and takes the room of as many states.
    #[must_use]
    pub fn keep_snapshots(mut self, snapshots: u32) -> Self {
        self.snapshots_kept = snapshots.max(1);
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
            store_id: Arc::clone(&self.store_id),
            snapshots: self.snapshots.clone(),
            snapshot_policy: self.snapshot_policy,
            snapshots_kept: self.snapshots_kept,
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
            .field("snapshot_policy", &self.snapshot_policy)
            .field("snapshots_kept", &self.snapshots_kept)
            .field("lines", &self.lines)
            .field("conflict_retries", &self.conflict_retries)
            .finish()
    }
}
