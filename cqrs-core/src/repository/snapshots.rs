//! Snapshots of one kind of aggregate, written off the command's path.

use std::fmt;
use std::sync::Arc;

mod error;
mod on_demand;
mod prune;
mod queue;
mod rebuild;
mod writer;

pub use error::SnapshotError;
pub use prune::{SnapshotPruning, SnapshotPruningProgress};
pub use rebuild::{SnapshotRebuild, SnapshotRebuildProgress};

use super::Repository;
use super::fold::{Fold, Last};
use crate::aggregate::Apply;
use crate::as_of::AsOf;
use crate::codec::{CodecError, Payload};
use crate::event::DomainEvent;
use crate::event_store::StoreError;
use crate::name::StreamName;
use crate::snapshot_store::{Snapshot, SnapshotQuery, SnapshotRetention, SnapshotStore};
use crate::timestamp::Timestamp;
use writer::Writer;

pub(super) struct Snapshots<A> {
    files: Arc<Files<A>>,
    writer: Arc<Writer<A>>,
}

/// Snapshots of one kind, in and out of the store.
struct Files<A> {
    store: Arc<dyn SnapshotStore>,
    encode: fn(&A) -> Result<Payload, CodecError>,
    decode: fn(&Payload) -> Result<A, CodecError>,
}

/// A state that may become a snapshot.
struct Unsaved<A> {
    state: A,
    last: Last,
    happened_until: Timestamp,
    keep: u32,
}

impl<A: Apply> Files<A> {
    async fn save(&self, stream: &StreamName, unsaved: &Unsaved<A>) -> Result<Snapshot, SnapshotError> {
        let Unsaved { state, last, happened_until, keep } = unsaved;
        let snapshot = Snapshot {
            stream: stream.clone(),
            version: last.version,
            position: last.position,
            event_id: last.event_id,
            recorded_at: last.recorded_at,
            happened_until: *happened_until,
            state_version: A::STATE_VERSION,
            fingerprint: A::Event::FINGERPRINT,
            state: (self.encode)(state).map_err(SnapshotError::Encode)?,
        };
        self.store.save(snapshot.clone()).await.map_err(SnapshotError::Store)?;
        if *keep < u32::MAX
            && let Err(error) = self.store.prune(stream, retention::<A>(*keep)).await
        {
            tracing::warn!(%stream, %error, "older snapshots were not dropped");
        }
        Ok(snapshot)
    }
}

/// What the present code keeps.
fn retention<A: Apply>(keep: u32) -> SnapshotRetention {
    SnapshotRetention { state_version: A::STATE_VERSION, fingerprint: A::Event::FINGERPRINT, keep }
}

impl<A: Apply> Snapshots<A> {
    pub fn new(store: Arc<dyn SnapshotStore>) -> Self
    where
        A: serde::Serialize + serde::de::DeserializeOwned,
    {
        let files = Arc::new(Files { store, encode: Payload::encode::<A>, decode: Payload::decode::<A> });
        Self { writer: Arc::new(Writer::new(Arc::clone(&files))), files }
    }

    /// The newest snapshot that may be used. One that cannot be read is as good as none.
    pub async fn newest(&self, stream: &StreamName, as_of: Option<AsOf>) -> Option<Fold<A>> {
        let query = SnapshotQuery {
            stream: stream.clone(),
            as_of,
            state_version: A::STATE_VERSION,
            fingerprint: A::Event::FINGERPRINT,
        };
        let snapshot = match self.files.store.newest(&query).await {
            Ok(snapshot) => snapshot?,
            Err(error) => {
                tracing::warn!(%stream, %error, "snapshots cannot be read; the state is folded from the events");
                return None;
            }
        };
        match (self.files.decode)(&snapshot.state) {
            Ok(state) => Some(Fold::from_snapshot(&snapshot, state)),
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot does not decode though its state version is right");
                None
            }
        }
    }

    /// Keeps a snapshot, and waits until it is kept.
    async fn save(&self, stream: &StreamName, unsaved: &Unsaved<A>) -> Result<Snapshot, SnapshotError> {
        let snapshot = self.files.save(stream, unsaved).await?;
        self.writer.settled(stream, unsaved.last.mark());
        Ok(snapshot)
    }

    /// Drops all snapshots of a stream.
    pub async fn clear(&self, stream: &StreamName) {
        self.writer.forget(stream);
        let cleared: Result<(), StoreError> = self.files.store.clear(stream).await;
        if let Err(error) = cleared {
            tracing::warn!(%stream, %error, "snapshots that are not of this log were not dropped");
        }
    }
}

impl<A: Apply> Repository<A> {
    /// Those that may be loaded from.
    pub(super) fn snapshots_in_use(&self) -> Option<&Snapshots<A>> {
        self.snapshots.as_ref().filter(|_| !self.snapshot_policy.is_never())
    }

    /// Saves the state in the background when the policy says so.
    pub(super) fn save_when_due(&self, stream: &StreamName, fold: &mut Fold<A>) {
        let (Some(snapshots), Some(last), Some(since)) = (&self.snapshots, fold.last, fold.since) else { return };
        if !self.snapshot_policy.is_due(since, last.mark()) {
            return;
        }
        let (saved, pending) = snapshots.writer.newest(stream);
        fold.since = saved.max(Some(since));
        let since = pending.max(saved).map_or(since, |newest| newest.max(since));
        if self.snapshot_policy.is_due(since, last.mark()) {
            snapshots.writer.offer(stream, last.mark(), || fold.unsaved(last, self.snapshots_kept));
        }
    }
}

impl<A: Apply> Fold<A> {
    fn unsaved(&self, last: Last, keep: u32) -> Unsaved<A> {
        Unsaved { state: self.state.clone(), last, happened_until: self.happened_until, keep }
    }
}

impl<A> Clone for Snapshots<A> {
    fn clone(&self) -> Self {
        Self { files: Arc::clone(&self.files), writer: Arc::clone(&self.writer) }
    }
}

impl<A> fmt::Debug for Snapshots<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("store", &self.files.store).finish_non_exhaustive()
    }
}
