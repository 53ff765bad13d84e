//! Leases of projections, in tables beside the events.

use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{Lease, LeaseStore, Leases, MemberId, ProjectionName, StoreError};
use futures::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::error::store_error;
use crate::row::corrupt;
use crate::session::Sessions;
use crate::statements::{PgQuery, Statements};

/// The leases that belong to a [`PgEventStore`](crate::PgEventStore). They have one connection of their own, made when it
/// is needed: a heartbeat does not wait for those who read the log. Time is that of the database server.
#[derive(Debug, Clone)]
pub struct PgLeaseStore {
    pub(crate) sessions: Sessions,
    pub(crate) sql: Statements,
}

impl PgLeaseStore {
    async fn find(&self, statement: PgQuery<'_>) -> Result<Leases, StoreError> {
        let found = self.sessions.in_time(async {
            let mut session = self.sessions.start().await?;
            let mut leases = Leases::default();
            let mut rows = statement.fetch(&mut *session);
            while let Some(row) = rows.try_next().await? {
                take_in(&row, &mut leases)?;
            }
            drop(rows);
            session.done().await?;
            Ok(leases)
        });
        found.await.map_err(store_error)
    }

    async fn change(&self, statement: PgQuery<'_>) -> Result<bool, StoreError> {
        let done = self.sessions.execute(statement).await.map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }
}

#[async_trait]
impl LeaseStore for PgLeaseStore {
    async fn heartbeat(
        &self,
        projection: &ProjectionName,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<Leases, StoreError> {
        let statement = self.sql.query(&self.sql.heartbeat);
        self.find(statement.bind(projection.as_str()).bind(member.as_str()).bind(milliseconds(ttl))).await
    }

    async fn acquire(
        &self,
        projection: &ProjectionName,
        lease: Lease,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let statement = self.sql.query(&self.sql.acquire_lease).bind(projection.as_str()).bind(lease.number());
        self.change(statement.bind(member.as_str()).bind(milliseconds(ttl))).await
    }

    async fn release(&self, projection: &ProjectionName, lease: Lease, member: &MemberId) -> Result<(), StoreError> {
        let statement = self.sql.query(&self.sql.release_lease).bind(projection.as_str()).bind(lease.number());
        self.change(statement.bind(member.as_str())).await.map(drop)
    }

    async fn leave(&self, projection: &ProjectionName, member: &MemberId) -> Result<(), StoreError> {
        let statement = self.sql.query(&self.sql.leave).bind(projection.as_str()).bind(member.as_str());
        self.change(statement).await.map(drop)
    }

    async fn leases(&self, projection: &ProjectionName) -> Result<Leases, StoreError> {
        self.find(self.sql.query(&self.sql.leases).bind(projection.as_str())).await
    }
}

/// The columns member and lease; without a lease it is a member.
fn take_in(row: &PgRow, leases: &mut Leases) -> Result<(), sqlx::Error> {
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
