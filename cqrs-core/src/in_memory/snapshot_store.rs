//! Snapshots in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::event_store::StoreError;
use crate::name::StreamName;
use crate::snapshot_store::{Snapshot, SnapshotQuery, SnapshotStore};
use crate::stream::Version;

/// By stream, then version, state version and fingerprint.
type Snapshots = BTreeMap<StreamName, BTreeMap<(Version, u32, u64), Snapshot>>;

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

    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError> {
        lock(&self.0).remove(stream);
        Ok(())
    }
}
