//! Writes groups of appends, on a connection of its own.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::append_queue::{Group, GroupError, GroupWriter, Outcome, Queued};
use cqrs_core::{EventId, Existing, Failure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::plan::{Plan, Written};
use super::{slow, statement};
use crate::error::{Meaning, explain, meaning};
use crate::settings::Settings;
use crate::statements::Statements;

/// How often a group is tried again at once when a unique key was taken though all checks passed.
const UNIQUE_RETRIES: usize = 3;

#[derive(Debug)]
pub(crate) struct PgGroupWriter {
    pub connect: PgConnectOptions,
    /// The name is unlike any other writer's.
    pub settings: Settings,
    pub sql: Statements,
    pub attempt_timeout: Duration,
    pub connection: Option<PgConnection>,
}

#[async_trait]
impl GroupWriter for PgGroupWriter {
    async fn write(&mut self, group: &mut Group) -> Result<Vec<Outcome>, GroupError> {
        let mut unique = 0;
        loop {
            let mut connection = self.take_connection().await?;
            let written = self.in_time(write(&mut connection, &self.sql, &self.settings, group.send())).await;
            match self.keep(connection, written).await {
                Err(error) if meaning(&error) == Meaning::Unique && unique < UNIQUE_RETRIES => unique += 1,
                outcomes => return outcomes.map_err(group_error),
            }
        }
    }

    async fn find(&mut self, ids: &[EventId]) -> Result<Vec<(EventId, Option<Existing>)>, GroupError> {
        let mut connection = self.take_connection().await?;
        let found = self.in_time(slow::find(&mut connection, &self.sql, &self.settings, ids)).await;
        self.keep(connection, found).await.map_err(group_error)
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }
}

impl PgGroupWriter {
    /// The connection, taken out while it is in use: a future dropped by a timeout leaves none in an unknown state.
    async fn take_connection(&mut self) -> Result<PgConnection, GroupError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.in_time(self.connect()).await.map_err(|error| match group_error(error) {
                // Nothing was sent on it yet.
                GroupError::NoAnswer(failure) => GroupError::NotWritten(failure),
                other => other,
            }),
        }
    }

    /// A new connection ends the sessions of those before it first: what they were sent is settled then.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.settings.connect(&self.connect).connect().await?;
        let wait = i64::try_from(self.attempt_timeout.as_millis() / 4).unwrap_or(i64::MAX);
        loop {
            let mut transaction = connection.begin_with(self.settings.begin()).await?;
            let query = self.sql.query(&self.sql.end_zombies).bind(self.settings.name()).bind(wait);
            let ended: i64 = query.fetch_one(&mut *transaction).await?.try_get(0)?;
            transaction.commit().await?;
            if ended == 0 {
                return Ok(connection);
            }
        }
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>> + Send) -> Result<T, sqlx::Error> {
        let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        tokio::time::timeout(self.attempt_timeout, answer).await.unwrap_or_else(|_| Err(late()))
    }

    async fn keep<T>(
        &mut self,
        mut connection: PgConnection,
        result: Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let is_settled = match &result {
            Ok(_) => true,
            // Sends the rollback that is due, and not only with the next group.
            Err(error) => meaning(error) != Meaning::NoAnswer && self.in_time(connection.ping()).await.is_ok(),
        };
        if is_settled {
            self.connection = Some(connection);
        }
        result
    }
}

fn group_error(error: sqlx::Error) -> GroupError {
    match meaning(&error) {
        Meaning::NoAnswer => GroupError::NoAnswer(Failure::new(error)),
        Meaning::Transient => GroupError::NotWritten(Failure::new(error)),
        Meaning::Unique | Meaning::Permanent => GroupError::Refused(Failure::new(explain(error))),
    }
}

async fn write(
    connection: &mut PgConnection,
    sql: &Statements,
    settings: &Settings,
    group: &[Queued],
) -> Result<Vec<Outcome>, sqlx::Error> {
    if group.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(plan) = Plan::of(group.iter().map(Queued::append)) {
        match write_planned(connection, sql, settings, group, &plan).await {
            Ok(Some(written)) => {
                let counts = group.iter().map(|queued| queued.events().len());
                return Ok(plan.outcomes(counts, &written).into_iter().map(Ok).collect());
            }
            Ok(None) => {}
            Err(error) if meaning(&error) == Meaning::Unique => {}
            Err(error) => return Err(error),
        }
    }
    slow::write(connection, sql, settings, group).await
}

/// In a transaction of the statement's own, or of ours.
async fn write_planned(
    connection: &mut PgConnection,
    sql: &Statements,
    settings: &Settings,
    group: &[Queued],
    plan: &Plan<'_>,
) -> Result<Option<Written>, sqlx::Error> {
    if !settings.behind_pooler() {
        return statement::write(connection, sql, group.iter().map(Queued::encoded), plan).await;
    }
    let mut transaction = connection.begin_with(settings.begin()).await?;
    let written = statement::write(&mut transaction, sql, group.iter().map(Queued::encoded), plan).await;
    match written {
        Ok(Some(_)) => transaction.commit().await?,
        // Sent at once: the pooler's session is free for others.
        Ok(None) => transaction.rollback().await?,
        Err(_) => {}
    }
    written
}
