//! Leases of projections, in tables beside the events.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{Lease, LeaseStore, Leases, MemberId, ProjectionName, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use crate::connection::{Statement, WriteConnection};
use crate::error::store_error;
use crate::row::corrupt;
use crate::statements::{ACQUIRE_LEASE, ANNOUNCE, LEASES, LEAVE, RELEASE_ALL_LEASES, RELEASE_LEASE, RENEW_LEASES};

/// The leases that belong to a [`SqliteEventStore`](crate::SqliteEventStore). Time is that of the machine: when its clock is
/// set forward, leases run out early, and when it is set back, later.
#[derive(Debug, Clone)]
pub struct SqliteLeaseStore {
    pub(crate) pool: SqlitePool,
    pub(crate) writes: Arc<WriteConnection>,
}

impl SqliteLeaseStore {
    async fn change<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<SqliteRow>, StoreError> {
        self.writes.execute(statement).await.map_err(store_error)
    }
}

#[async_trait]
impl LeaseStore for SqliteLeaseStore {
    async fn heartbeat(
        &self,
        projection: &ProjectionName,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<Leases, StoreError> {
        let bound = |sql| sqlx::query(sql).bind(projection.as_str()).bind(member.as_str()).bind(milliseconds(ttl));
        self.change(|| bound(ANNOUNCE)).await?;
        let renewed = self.change(|| bound(RENEW_LEASES)).await?;
        let renewed: Vec<i64> =
            renewed.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(store_error)?;
        let mut leases = self.leases(projection).await?;
        // One that was not renewed is about to run out.
        leases.held.retain(|lease, holder| holder != member || renewed.contains(&i64::from(lease.number())));
        leases.members.insert(member.clone());
        Ok(leases)
    }

    async fn acquire(
        &self,
        projection: &ProjectionName,
        lease: Lease,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let acquire = || sqlx::query(ACQUIRE_LEASE).bind(projection.as_str()).bind(lease.number());
        let held = self.change(|| acquire().bind(member.as_str()).bind(milliseconds(ttl))).await?;
        Ok(!held.is_empty())
    }

    async fn release(&self, projection: &ProjectionName, lease: Lease, member: &MemberId) -> Result<(), StoreError> {
        let release = || sqlx::query(RELEASE_LEASE).bind(projection.as_str()).bind(lease.number());
        self.change(|| release().bind(member.as_str())).await.map(drop)
    }

    async fn leave(&self, projection: &ProjectionName, member: &MemberId) -> Result<(), StoreError> {
        for sql in [RELEASE_ALL_LEASES, LEAVE] {
            self.change(|| sqlx::query(sql).bind(projection.as_str()).bind(member.as_str())).await?;
        }
        Ok(())
    }

    async fn leases(&self, projection: &ProjectionName) -> Result<Leases, StoreError> {
        let rows = sqlx::query(LEASES).bind(projection.as_str()).fetch_all(&self.pool).await.map_err(store_error)?;
        let mut leases = Leases::default();
        rows.iter().try_for_each(|row| take_in(row, &mut leases)).map_err(store_error)?;
        Ok(leases)
    }
}

/// The columns member and lease; without a lease it is a member.
fn take_in(row: &SqliteRow, leases: &mut Leases) -> Result<(), sqlx::Error> {
    let member = MemberId::new(row.try_get::<&str, _>(0)?).map_err(corrupt)?;
    match row.try_get::<Option<i32>, _>(1)? {
        None => drop(leases.members.insert(member)),
        // One of a newer version of this library says nothing here.
        Some(number) => drop(Lease::of_number(number).map(|lease| leases.held.insert(lease, member))),
    }
    Ok(())
}

/// A year at most.
fn milliseconds(ttl: Duration) -> i64 {
    const YEAR: u128 = 365 * 24 * 60 * 60 * 1_000;
    ttl.as_millis().clamp(1, YEAR) as i64
}
