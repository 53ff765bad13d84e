//! Snapshots in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::event_store::{ListStreams, StoreError};
use crate::name::StreamName;
use crate::snapshot_store::{PrunedSnapshots, Snapshot, SnapshotQuery, SnapshotRetention, SnapshotStore};
use crate::stream::Version;

type Snapshots = BTreeMap<StreamName, OfStream>;
/// By version, state version and fingerprint.
type OfStream = BTreeMap<(Version, u32, u64), Snapshot>;

/// Snapshots in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InMemorySnapshotStore(Arc<Mutex<Snapshots>>);

impl InMemorySnapshotStore {
    /// No snapshots yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// Drops what is too old, and, unless they are to stay, those of another shape.
fn prune(snapshots: &mut OfStream, retention: SnapshotRetention, others_stay: bool) -> u64 {
    let before = snapshots.len();
    let fits = |key: &(Version, u32, u64)| (key.1, key.2) == (retention.state_version, retention.fingerprint);
    let keep = usize::try_from(retention.keep).unwrap_or(usize::MAX);
    let oldest = snapshots.keys().rev().filter(|key| fits(key)).take(keep).last().map(|key| key.0);
    snapshots.retain(|key, _| if fits(key) { oldest.is_some_and(|oldest| key.0 >= oldest) } else { others_stay });
    (before - snapshots.len()) as u64
}

#[async_trait]
impl SnapshotStore for InMemorySnapshotStore {
    async fn save(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let key = (snapshot.version, snapshot.state_version, snapshot.fingerprint);
        lock(&self.0).entry(snapshot.stream.clone()).or_default().insert(key, snapshot);
        Ok(())
    }

    async fn newest(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>, StoreError> {
        let streams = lock(&self.0);
        let snapshots = streams.get(&query.stream).into_iter().flatten();
        Ok(snapshots.map(|(_, snapshot)| snapshot).rfind(|snapshot| query.matches(snapshot)).cloned())
    }

    async fn prune(&self, stream: &StreamName, retention: SnapshotRetention) -> Result<u64, StoreError> {
        Ok(lock(&self.0).get_mut(stream).map_or(0, |snapshots| prune(snapshots, retention, true)))
    }

    async fn prune_streams(
        &self,
        page: &ListStreams,
        retention: SnapshotRetention,
    ) -> Result<PrunedSnapshots, StoreError> {
        let mut streams = lock(&self.0);
        let (after, before) = page.bounds();
        let window = streams.range_mut::<str, _>((Bound::Excluded(after.as_str()), Bound::Unbounded));
        let limit = page.limit.max(1);
        let mut pruned = PrunedSnapshots::default();
        let mut emptied = Vec::new();
        for (stream, snapshots) in window.take_while(|(stream, _)| stream.as_str() < before.as_str()).take(limit) {
            pruned.streams += 1;
            pruned.dropped += prune(snapshots, retention, false);
            pruned.last = Some(stream.clone());
            if snapshots.is_empty() {
                emptied.push(stream.clone());
            }
        }
        pruned.more = pruned.streams == limit as u64;
        for stream in emptied {
            streams.remove(&stream);
        }
        Ok(pruned)
    }

    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError> {
        lock(&self.0).remove(stream);
        Ok(())
    }
}
