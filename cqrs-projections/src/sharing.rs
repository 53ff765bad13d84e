//! Sharing the partitions of projections with other processes.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{InvalidName, Lease, LeaseStore, Leases, MemberId, ProjectionName, StoreError};
use tokio::time::Instant;

mod balance;
mod keep;
mod others;
mod share;
mod tenure;

pub(crate) use keep::Kept;
pub(crate) use others::{follow_others, look_at_others};
pub(crate) use share::Share;
pub(crate) use tenure::{Tenure, given, over};

/// The shortest lease time: below it, processes would do little else.
const SHORTEST: Duration = Duration::from_millis(100);

/// One process among those that run the same projections.
#[derive(Debug, Clone)]
pub(crate) struct Sharing {
    store: Arc<dyn LeaseStore>,
    label: String,
    member: MemberId,
    /// How long a partition may go unwritten when its process is gone.
    time: Duration,
}

impl Sharing {
    pub(crate) fn new(store: Arc<dyn LeaseStore>, label: String, time: Duration) -> Result<Self, InvalidName> {
        Ok(Self { store, member: MemberId::unique(&label)?, label, time: time.max(SHORTEST) })
    }

    /// Another member of the same process, with leases of its own.
    fn other(&self) -> Self {
        let member = MemberId::unique(&self.label).unwrap_or_else(|_| self.member.clone());
        Self { member, ..self.clone() }
    }

    pub(crate) const fn member(&self) -> &MemberId {
        &self.member
    }

    /// How long a lease lasts: with the time until the others look, less than the lease time.
    fn ttl(&self) -> Duration {
        self.time * 3 / 4
    }

    /// How often leases are renewed and the others looked at.
    pub(crate) fn interval(&self) -> Duration {
        self.time / 8
    }

    /// The same when something is known to change.
    fn hurry(&self) -> Duration {
        (self.time / 40).max(Duration::from_millis(10))
    }

    /// An answer that comes later is worth nothing.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| Err(StoreError::Transient(cqrs_core::Failure::new("the lease store did not answer in time")));
        tokio::time::timeout(self.ttl() / 2, call).await.unwrap_or_else(late)
    }

    /// Renews everything, and tells until when.
    async fn heartbeat(&self, projection: &ProjectionName) -> Result<(Leases, Instant), StoreError> {
        let end = Instant::now() + self.ttl();
        let leases = self.in_time(self.store.heartbeat(projection, &self.member, self.ttl())).await?;
        Ok((leases, end))
    }

    /// Takes or renews a lease, and tells until when; `None` when another one has it.
    async fn acquire(&self, projection: &ProjectionName, lease: Lease) -> Result<Option<Instant>, StoreError> {
        let end = Instant::now() + self.ttl();
        let held = self.in_time(self.store.acquire(projection, lease, &self.member, self.ttl())).await?;
        Ok(held.then_some(end))
    }

    async fn release(&self, projection: &ProjectionName, lease: Lease) -> Result<(), StoreError> {
        self.in_time(self.store.release(projection, lease, &self.member)).await
    }

    async fn leave(&self, projection: &ProjectionName) -> Result<(), StoreError> {
        self.in_time(self.store.leave(projection, &self.member)).await
    }

    /// Whether a generation is being made the live one, by whomever: nobody writes the live one until that is over.
    pub(crate) async fn is_swapping(&self, projection: &ProjectionName) -> Result<bool, StoreError> {
        let leases = self.in_time(self.store.leases(projection)).await?;
        Ok(leases.held.contains_key(&Lease::Swap))
    }
}
