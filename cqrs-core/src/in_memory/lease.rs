//! Leases in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::lock;
use crate::event_store::StoreError;
use crate::lease::{Lease, LeaseStore, Leases};
use crate::name::{MemberId, ProjectionName};

/// Leases in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InMemoryLeaseStore(Arc<Mutex<HashMap<ProjectionName, Projection>>>);

#[derive(Debug, Default)]
struct Projection {
    /// When each is overdue.
    members: BTreeMap<MemberId, Instant>,
    held: BTreeMap<Lease, (MemberId, Instant)>,
}

impl InMemoryLeaseStore {
    /// No members yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn of<T>(&self, projection: &ProjectionName, change: impl FnOnce(&mut Projection, Instant) -> T) -> T {
        let mut all = lock(&self.0);
        let projection = all.entry(projection.clone()).or_default();
        let now = Instant::now();
        projection.members.retain(|_, until| *until > now);
        projection.held.retain(|_, (_, until)| *until > now);
        change(projection, now)
    }
}

impl Projection {
    fn leases(&self) -> Leases {
        let held = self.held.iter().map(|(lease, (holder, _))| (*lease, holder.clone())).collect();
        Leases { members: self.members.keys().cloned().collect(), held }
    }
}

#[async_trait]
impl LeaseStore for InMemoryLeaseStore {
    async fn heartbeat(
        &self,
        projection: &ProjectionName,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<Leases, StoreError> {
        Ok(self.of(projection, |projection, now| {
            projection.members.insert(member.clone(), now + ttl);
            for (_, until) in projection.held.values_mut().filter(|(holder, _)| holder == member) {
                *until = now + ttl;
            }
            projection.leases()
        }))
    }

    async fn acquire(
        &self,
        projection: &ProjectionName,
        lease: Lease,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        Ok(self.of(projection, |projection, now| {
            let held = projection.held.entry(lease).or_insert_with(|| (member.clone(), now));
            let mine = held.0 == *member;
            if mine {
                held.1 = now + ttl;
            }
            mine
        }))
    }

    async fn release(&self, projection: &ProjectionName, lease: Lease, member: &MemberId) -> Result<(), StoreError> {
        self.of(projection, |projection, _| {
            projection.held.retain(|held, (holder, _)| *held != lease || holder != member);
        });
        Ok(())
    }

    async fn leave(&self, projection: &ProjectionName, member: &MemberId) -> Result<(), StoreError> {
        self.of(projection, |projection, _| {
            projection.members.remove(member);
            projection.held.retain(|_, (holder, _)| holder != member);
        });
        Ok(())
    }

    async fn leases(&self, projection: &ProjectionName) -> Result<Leases, StoreError> {
        Ok(self.of(projection, |projection, _| projection.leases()))
    }
}
