//! The port of snapshots: states that were folded before, so that they need not be folded again.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::as_of::AsOf;
use crate::codec::Payload;
use crate::event_store::{ListStreams, StoreError};
use crate::id::EventId;
use crate::name::StreamName;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// The state of one aggregate after one of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The aggregate's stream.
    pub stream: StreamName,
    /// The version of the last event that is folded in.
    pub version: Version,
    /// The position of that event.
    pub position: GlobalPosition,
    /// The id of that event: a snapshot that stands on another event is discarded.
    pub event_id: EventId,
    /// When that event was recorded.
    pub recorded_at: Timestamp,
    /// The latest time at which any of the folded events happened: the state may stand in for them only when all of them
    /// lie before the moment that is asked for.
    pub happened_until: Timestamp,
    /// The version of the state's shape, see [`Aggregate::STATE_VERSION`](crate::Aggregate::STATE_VERSION).
    pub state_version: u32,
    /// The fingerprint of the events' definition, see [`DomainEvent::FINGERPRINT`](crate::DomainEvent::FINGERPRINT).
    pub fingerprint: u64,
    /// The state as JSON.
    pub state: Payload,
}

/// Which snapshot is wanted: the newest that is not after `as_of` and has this shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotQuery {
    /// The aggregate's stream.
    pub stream: StreamName,
    /// Not after this moment; `None` for the newest.
    pub as_of: Option<AsOf>,
    /// Only of this state version: checked before anything is decoded.
    pub state_version: u32,
    /// Only of this fingerprint: checked before anything is decoded.
    pub fingerprint: u64,
}

impl SnapshotQuery {
    /// Whether `snapshot` may stand in for the events that it is folded from.
    #[must_use]
    pub fn matches(&self, snapshot: &Snapshot) -> bool {
        let not_after = match self.as_of {
            None => true,
            Some(AsOf::Version(version)) => snapshot.version <= version,
            Some(AsOf::Position(position)) => snapshot.position <= position,
            Some(AsOf::Recorded(time)) => snapshot.recorded_at <= time,
            Some(AsOf::Occurred(time)) => snapshot.happened_until <= time,
            Some(AsOf::Bitemporal { occurred, recorded }) => {
                snapshot.recorded_at <= recorded && snapshot.happened_until <= occurred
            }
        };
        not_after
            && snapshot.stream == self.stream
            && snapshot.state_version == self.state_version
            && snapshot.fingerprint == self.fingerprint
    }
}

/// What is kept of the snapshots of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRetention {
    /// The state version of those that are kept.
    pub state_version: u32,
    /// The fingerprint of those that are kept.
    pub fingerprint: u64,
    /// How many of them: those with the highest versions, in whatever order they were saved.
    pub keep: u32,
}

/// What pruning a page of streams came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrunedSnapshots {
    /// Streams with snapshots that were looked at.
    pub streams: u64,
    /// Snapshots that were dropped.
    pub dropped: u64,
    /// The last of these streams.
    pub last: Option<StreamName>,
    /// Whether the window may hold more: go on after the last stream.
    pub more: bool,
}

/// Keeps snapshots. They are never needed for correctness: one that is lost is folded again.
///
/// # Contract
/// - [`newest`](Self::newest) gives the snapshot with the highest version that [matches](SnapshotQuery::matches).
/// - [`save`](Self::save) of the same stream, version, state version and fingerprint again replaces it.
/// - What was saved is given back byte for byte.
/// - [`prune`](Self::prune) leaves the snapshots of other state versions and fingerprints: during a rolling deployment
///   they are in use. [`prune_streams`](Self::prune_streams) drops them.
#[async_trait]
pub trait SnapshotStore: Send + Sync + Debug + 'static {
    /// Keeps a snapshot.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    async fn save(&self, snapshot: Snapshot) -> Result<(), StoreError>;

    /// The newest snapshot that matches.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be read.
    async fn newest(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>, StoreError>;

    /// Drops the older snapshots of one stream, of this state version and fingerprint only. Says how many.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be dropped.
    async fn prune(&self, stream: &StreamName, retention: SnapshotRetention) -> Result<u64, StoreError>;

    /// Drops the older snapshots of a page of streams, and all that have another state version or fingerprint. A page holds
    /// streams that have snapshots.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be dropped; some of them may have been.
    async fn prune_streams(
        &self,
        page: &ListStreams,
        retention: SnapshotRetention,
    ) -> Result<PrunedSnapshots, StoreError>;

    /// Drops all snapshots of a stream.
    ///
    /// # Errors
    /// [`StoreError`] when they could not be dropped.
    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: SnapshotStore + ?Sized> SnapshotStore for std::sync::Arc<S> {
    async fn save(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        (**self).save(snapshot).await
    }

    async fn newest(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>, StoreError> {
        (**self).newest(query).await
    }

    async fn prune(&self, stream: &StreamName, retention: SnapshotRetention) -> Result<u64, StoreError> {
        (**self).prune(stream, retention).await
    }

    async fn prune_streams(
        &self,
        page: &ListStreams,
        retention: SnapshotRetention,
    ) -> Result<PrunedSnapshots, StoreError> {
        (**self).prune_streams(page, retention).await
    }

    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError> {
        (**self).clear(stream).await
    }
}
