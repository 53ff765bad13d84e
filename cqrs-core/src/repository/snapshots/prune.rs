//! Dropping the snapshots that nobody needs any more, of all aggregates of a kind.

use std::fmt;

use super::{SnapshotError, retention};
use crate::aggregate::Apply;
use crate::event_store::ListStreams;
use crate::name::{Category, StreamName};
use crate::repository::{LoadError, Repository};

impl<A: Apply> Repository<A> {
    /// Drops the snapshots of all aggregates of this kind but for the newest ones, as many as are
    /// [kept](Self::keep_snapshots), of the present state version and events: what older code has left, and what is more
    /// than that after fewer are to be kept.
    ///
    /// Call it when a rolling deployment is over. Code of another version that still runs, or another aggregate over the
    /// same streams, loses its snapshots: it folds from the events, and takes new ones.
    ///
    /// It goes on step by step, as [`next`](SnapshotPruning::next) is called.
    ///
    /// ```
    /// # use cqrs_core::in_memory::InMemoryEventStore;
    /// # use cqrs_core::Repository;
    /// # use cqrs_testkit::sample::{Account, AccountId, Open};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = InMemoryEventStore::new();
    /// let accounts = Repository::<Account>::new(store.clone()).snapshots(store.snapshots());
    /// let mut pruning = accounts.keep_snapshots(3).prune_snapshots();
    /// while let Some(progress) = pruning.next().await? {
    ///     println!("{} snapshots of {} accounts were dropped", progress.dropped, progress.streams);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prune_snapshots(&self) -> SnapshotPruning<A> {
        SnapshotPruning { repository: self.clone(), progress: SnapshotPruningProgress::default(), more: true }
    }
}

/// Dropping snapshots, see [`Repository::prune_snapshots`]. Dropping this ends it; what was dropped is gone.
#[must_use = "pruning goes on when its next step is awaited"]
pub struct SnapshotPruning<A: Apply> {
    repository: Repository<A>,
    progress: SnapshotPruningProgress,
    more: bool,
}

/// How far dropping snapshots has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SnapshotPruningProgress {
    /// Aggregates with snapshots that were looked at.
    pub streams: u64,
    /// Snapshots that were dropped.
    pub dropped: u64,
    /// The last aggregate that was looked at: pruning [after](SnapshotPruning::after) it goes on there.
    pub last: Option<StreamName>,
}

impl<A: Apply> SnapshotPruning<A> {
    /// Goes on after this aggregate, in the byte order of the streams' names.
    pub fn after(mut self, stream: StreamName) -> Self {
        self.progress.last = Some(stream);
        self
    }

    /// How far it has come, also after an error.
    #[must_use]
    pub const fn progress(&self) -> &SnapshotPruningProgress {
        &self.progress
    }

    /// Looks at the next aggregates, up to 1,000, and says how far it has come; `None` when it is done. It may be dropped
    /// at any moment, and called again.
    ///
    /// # Errors
    /// See [`SnapshotError`]. Calling it again tries the same aggregates once more.
    pub async fn next(&mut self) -> Result<Option<&SnapshotPruningProgress>, SnapshotError> {
        let snapshots = self.repository.snapshots.as_ref().ok_or(SnapshotError::Disabled)?;
        if !self.more {
            return Ok(None);
        }
        let category = Category::new(A::CATEGORY).map_err(LoadError::from)?;
        let mut page = ListStreams::new(category);
        page.after = self.progress.last.clone();
        let keep = retention::<A>(self.repository.snapshots_kept);
        let pruned = snapshots.files.store.prune_streams(&page, keep).await.map_err(SnapshotError::Store)?;
        self.more = pruned.more;
        self.progress.streams += pruned.streams;
        self.progress.dropped += pruned.dropped;
        self.progress.last = pruned.last.or_else(|| self.progress.last.take());
        Ok(Some(&self.progress))
    }
}

impl<A: Apply> fmt::Debug for SnapshotPruning<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotPruning").field("progress", &self.progress).finish_non_exhaustive()
    }
}
