//! Snapshots for all aggregates that lack one, beside everything else.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::{SnapshotError, Snapshots};
use crate::aggregate::Apply;
use crate::event_store::{ListStreams, StreamHead};
use crate::name::{Category, StreamName};
use crate::repository::{LoadError, Repository};

/// How many streams one step looks at.
const PAGE: usize = 100;

impl<A: Apply> Repository<A> {
    /// Writes the snapshots that the policy wants and that are not there: for all aggregates of this kind, one after the
    /// other. Made for the time after a change of the state or of its events, when all snapshots were discarded: each
    /// aggregate would be folded from its first event once more, by the first command that comes.
    ///
    /// It goes on step by step, as [`next`](SnapshotRebuild::next) is called. Commands may be carried out meanwhile: it only
    /// reads events, a page of names and one aggregate at a time, and a newer snapshot is never replaced by an older one.
    /// A policy that takes none by itself wants none here; clone the repository and give the clone
    /// [another](Repository::snapshot_policy) for the rebuild.
    ///
    /// ```
    /// # use cqrs_core::in_memory::InMemoryEventStore;
    /// # use cqrs_core::{Repository, SnapshotPolicy};
    /// # use cqrs_testkit::sample::{Account, AccountId, Open};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = InMemoryEventStore::new();
    /// # let accounts = Repository::<Account>::new(store.clone()).snapshots(store.snapshots());
    /// # accounts.execute(&AccountId::new("ACC-001"), Open { owner: "Ann".to_owned() }).await?;
    /// let mut rebuild = accounts.snapshot_policy(SnapshotPolicy::every(1)).rebuild_snapshots().streams_per_second(500);
    /// while let Some(progress) = rebuild.next().await? {
    ///     println!("{} of {} accounts were given a snapshot", progress.written, progress.streams);
    /// }
    /// assert_eq!(rebuild.progress().written, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rebuild_snapshots(&self) -> SnapshotRebuild<A> {
        SnapshotRebuild {
            repository: self.clone(),
            progress: SnapshotRebuildProgress::default(),
            page: VecDeque::new(),
            more: true,
            pace: None,
            not_before: None,
        }
    }
}

/// A rebuild of snapshots, see [`Repository::rebuild_snapshots`]. Dropping it ends it; what was written stays.
#[must_use = "a rebuild goes on when its next step is awaited"]
pub struct SnapshotRebuild<A: Apply> {
    repository: Repository<A>,
    progress: SnapshotRebuildProgress,
    /// Listed, and not looked at yet.
    page: VecDeque<StreamHead>,
    more: bool,
    /// The time that each stream which is read is given.
    pace: Option<Duration>,
    not_before: Option<Instant>,
}

/// How far a rebuild of snapshots has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SnapshotRebuildProgress {
    /// Aggregates that were looked at.
    pub streams: u64,
    /// Snapshots that were written.
    pub written: u64,
    /// Aggregates that could not be decoded or encoded, and have no snapshot; each was reported to `tracing`.
    pub failed: u64,
    /// The last aggregate that was looked at: a rebuild [after](SnapshotRebuild::after) it goes on there.
    pub last: Option<StreamName>,
}

impl<A: Apply> SnapshotRebuild<A> {
    /// Goes on after this aggregate, in the byte order of the streams' names: where an earlier rebuild ended, by its
    /// [progress](SnapshotRebuildProgress::last).
    pub fn after(mut self, stream: StreamName) -> Self {
        self.progress.last = Some(stream);
        self
    }

    /// Reads no more than so many aggregates in a second (0 is taken as 1), pausing before each. Those that are too short
    /// for the policy are passed over without being read, and without a pause.
    pub fn streams_per_second(mut self, streams: u32) -> Self {
        self.pace = Some(Duration::from_secs(1) / streams.max(1));
        self
    }

    /// How far it has come, also after an error.
    #[must_use]
    pub const fn progress(&self) -> &SnapshotRebuildProgress {
        &self.progress
    }

    /// Looks at the next aggregates, up to 100, and says how far it has come; `None` when it is done. It may be dropped
    /// at any moment, and called again.
    ///
    /// An aggregate that was appended to for the first time behind the present one is left to its own commands.
    ///
    /// # Errors
    /// See [`SnapshotError`]. Calling it again tries the aggregate at which it failed once more.
    pub async fn next(&mut self) -> Result<Option<&SnapshotRebuildProgress>, SnapshotError> {
        let repository = self.repository.clone();
        let snapshots = repository.snapshots_in_use().ok_or(SnapshotError::Disabled)?;
        if self.page.is_empty() {
            if !self.more {
                return Ok(None);
            }
            self.list().await?;
        }
        while let Some(next) = self.page.front().cloned() {
            let written = match self.rebuild(&repository, snapshots, &next).await {
                Ok(written) => written,
                Err(error @ (SnapshotError::Load(LoadError::Undecodable(_)) | SnapshotError::Encode(_))) => {
                    tracing::warn!(stream = %next.stream, %error, "an aggregate has no snapshot");
                    self.progress.failed += 1;
                    false
                }
                Err(error) => return Err(error),
            };
            self.page.pop_front();
            self.progress.streams += 1;
            self.progress.written += u64::from(written);
            self.progress.last = Some(next.stream);
        }
        Ok(Some(&self.progress))
    }

    async fn list(&mut self) -> Result<(), SnapshotError> {
        let category = Category::new(A::CATEGORY).map_err(LoadError::from)?;
        let mut list = ListStreams::new(category).limit(PAGE);
        list.after = self.progress.last.clone();
        let page = self.repository.store.list_streams(list).await.map_err(LoadError::from)?;
        self.more = page.more;
        self.page = page.streams.into();
        Ok(())
    }

    /// Whether there was a snapshot to be written.
    async fn rebuild(
        &mut self,
        repository: &Repository<A>,
        snapshots: &Snapshots<A>,
        head: &StreamHead,
    ) -> Result<bool, SnapshotError> {
        if !repository.snapshot_policy.may_be_due(head.version) {
            return Ok(false);
        }
        self.wait().await;
        let fold = repository.read(&head.stream, None).await?;
        let (Some(last), Some(since)) = (fold.last, fold.since) else { return Ok(false) };
        if !repository.snapshot_policy.is_due(since, last.mark()) {
            return Ok(false);
        }
        snapshots.save(&head.stream, &fold.unsaved(last, repository.snapshots_kept)).await?;
        Ok(true)
    }

    async fn wait(&mut self) {
        let Some(pace) = self.pace else { return };
        if let Some(not_before) = self.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        self.not_before = Some(Instant::now() + pace);
    }
}

impl<A: Apply> fmt::Debug for SnapshotRebuild<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotRebuild")
            .field("progress", &self.progress)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}
