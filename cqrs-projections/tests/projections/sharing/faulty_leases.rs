use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryLeaseStore;
use cqrs_core::{Failure, Lease, LeaseStore, Leases, MemberId, ProjectionName, StoreError};

/// One process's way to the leases, which can be cut. Clones share it.
#[derive(Debug, Clone)]
pub struct FaultyLeases {
    inner: InMemoryLeaseStore,
    cut: Arc<AtomicBool>,
    /// How long each answer takes, in milliseconds.
    delay: Arc<AtomicU64>,
}

impl FaultyLeases {
    pub fn new(inner: InMemoryLeaseStore) -> Self {
        Self { inner, cut: Arc::default(), delay: Arc::new(AtomicU64::new(1)) }
    }

    pub fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    pub fn delay(&self, by: Duration) {
        self.delay.store(by.as_millis() as u64, Ordering::Relaxed);
    }

    pub fn heal(&self) {
        self.cut.store(false, Ordering::Relaxed);
    }

    async fn reach(&self) -> Result<&InMemoryLeaseStore, StoreError> {
        tokio::time::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed))).await;
        match self.cut.load(Ordering::Relaxed) {
            true => Err(StoreError::Transient(Failure::new("cut off"))),
            false => Ok(&self.inner),
        }
    }
}

#[async_trait]
impl LeaseStore for FaultyLeases {
    async fn heartbeat(
        &self,
        projection: &ProjectionName,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<Leases, StoreError> {
        self.reach().await?.heartbeat(projection, member, ttl).await
    }

    async fn acquire(
        &self,
        projection: &ProjectionName,
        lease: Lease,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.reach().await?.acquire(projection, lease, member, ttl).await
    }

    async fn release(&self, projection: &ProjectionName, lease: Lease, member: &MemberId) -> Result<(), StoreError> {
        self.reach().await?.release(projection, lease, member).await
    }

    async fn leave(&self, projection: &ProjectionName, member: &MemberId) -> Result<(), StoreError> {
        self.reach().await?.leave(projection, member).await
    }

    async fn leases(&self, projection: &ProjectionName) -> Result<Leases, StoreError> {
        self.reach().await?.leases(projection).await
    }
}
