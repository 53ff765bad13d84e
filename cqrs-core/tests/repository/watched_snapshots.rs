//! A snapshot store that tells what is asked of it, and can be held up or be out of order.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cqrs_core::in_memory::InMemorySnapshotStore;
use cqrs_core::{
    Failure, ListStreams, PrunedSnapshots, Snapshot, SnapshotQuery, SnapshotRetention, SnapshotStore, StoreError,
    StreamName,
};
use tokio::sync::watch;

#[derive(Debug, Clone)]
pub struct WatchedSnapshots {
    pub inner: InMemorySnapshotStore,
    saving: Arc<Mutex<Vec<u64>>>,
    open: watch::Sender<bool>,
    fault: watch::Sender<Option<StoreError>>,
}

impl Default for WatchedSnapshots {
    fn default() -> Self {
        Self {
            inner: InMemorySnapshotStore::new(),
            saving: Arc::default(),
            open: watch::Sender::new(true),
            fault: watch::Sender::new(None),
        }
    }
}

impl WatchedSnapshots {
    /// The versions that were to be saved, in that order, since it was last asked.
    pub fn saving(&self) -> Vec<u64> {
        std::mem::take(&mut self.saving.lock().unwrap())
    }

    /// Whoever saves waits.
    pub fn close(&self) {
        self.open.send_replace(false);
    }

    /// Those who wait go on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Nothing works until it is repaired.
    pub fn be_down(&self) {
        self.fault.send_replace(Some(StoreError::Transient(Failure::new("down"))));
    }

    /// Nothing is allowed until it is repaired.
    pub fn refuse(&self) {
        self.fault.send_replace(Some(StoreError::Permanent(Failure::new("not allowed"))));
    }

    pub fn repair(&self) {
        self.fault.send_replace(None);
    }

    fn works(&self) -> Result<(), StoreError> {
        self.fault.borrow().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl SnapshotStore for WatchedSnapshots {
    async fn save(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.saving.lock().unwrap().push(snapshot.version.get());
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.works()?;
        self.inner.save(snapshot).await
    }

    async fn newest(&self, query: &SnapshotQuery) -> Result<Option<Snapshot>, StoreError> {
        self.works()?;
        self.inner.newest(query).await
    }

    async fn prune(&self, stream: &StreamName, retention: SnapshotRetention) -> Result<u64, StoreError> {
        self.works()?;
        self.inner.prune(stream, retention).await
    }

    async fn prune_streams(
        &self,
        page: &ListStreams,
        retention: SnapshotRetention,
    ) -> Result<PrunedSnapshots, StoreError> {
        self.works()?;
        self.inner.prune_streams(page, retention).await
    }

    async fn clear(&self, stream: &StreamName) -> Result<(), StoreError> {
        self.works()?;
        self.inner.clear(stream).await
    }
}

/// On one thread, all tasks that have something to do have done it then: nothing here waits for anything outside.
pub async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
