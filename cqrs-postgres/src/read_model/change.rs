//! A change of generations: one transaction of several round trips.
//!
//! A call that was given up cannot do harm when it arrives late: nobody sends what follows its first statement, and while
//! its commit is on the way it holds the lock on the projection.

use std::time::Duration;

use cqrs_core::ReadModelError;
use sqlx::postgres::PgRow;

use super::PgReadModel;
use crate::error::read_model_error;
use crate::session::{Session, Sessions};
use crate::statements::{PgQuery, ReadModelStatements};

/// Rolled back when it is dropped, by closing its session.
pub(super) struct Change<'a> {
    sessions: &'a Sessions,
    sql: &'a ReadModelStatements,
    session: Session,
    index_timeout: Duration,
}

impl PgReadModel {
    pub(super) async fn change(&self) -> Result<Change<'_>, ReadModelError> {
        let sessions = self.sessions();
        let begin = async {
            let mut session = sessions.start_bare().await?;
            sqlx::raw_sql(sessions.settings().begin()).execute(&mut *session).await?;
            Ok(session)
        };
        let session = sessions.in_time(begin).await.map_err(read_model_error)?;
        Ok(Change { sessions, sql: self.sql(), session, index_timeout: self.index_timeout() })
    }
}

impl Change<'_> {
    /// Rows that were changed.
    pub async fn execute(&mut self, query: PgQuery<'_>) -> Result<u64, ReadModelError> {
        let executed = self.sessions.in_time(query.execute(&mut *self.session)).await;
        Ok(executed.map_err(read_model_error)?.rows_affected())
    }

    pub async fn fetch_optional(&mut self, query: PgQuery<'_>) -> Result<Option<PgRow>, ReadModelError> {
        self.sessions.in_time(query.fetch_optional(&mut *self.session)).await.map_err(read_model_error)
    }

    pub async fn fetch_all(&mut self, query: PgQuery<'_>) -> Result<Vec<PgRow>, ReadModelError> {
        self.sessions.in_time(query.fetch_all(&mut *self.session)).await.map_err(read_model_error)
    }

    /// Takes longer than any other statement.
    pub async fn create_index(&mut self, query: PgQuery<'_>) -> Result<(), ReadModelError> {
        // What a setting can hold.
        let milliseconds = i32::try_from(self.index_timeout.as_millis()).unwrap_or(i32::MAX).max(1);
        let set = self.sql.query(&self.sql.set_local).bind("statement_timeout").bind(milliseconds.to_string());
        self.fetch_optional(set).await?;
        // The server's answer, that it was too long, has a moment to arrive.
        let patience = self.index_timeout.saturating_add(Duration::from_secs(5));
        let created = tokio::time::timeout(patience, query.execute(&mut *self.session)).await;
        let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        created.unwrap_or_else(|_| Err(late())).map_err(read_model_error)?;
        Ok(())
    }

    pub async fn commit(mut self) -> Result<(), ReadModelError> {
        let commit = sqlx::raw_sql("commit").execute(&mut *self.session);
        self.sessions.in_time(commit).await.map_err(read_model_error)?;
        self.session.done().await.map_err(read_model_error)
    }

    /// Gives the session back with nothing done.
    pub async fn roll_back(mut self) -> Result<(), ReadModelError> {
        let roll_back = sqlx::raw_sql("rollback").execute(&mut *self.session);
        self.sessions.in_time(roll_back).await.map_err(read_model_error)?;
        self.session.done().await.map_err(read_model_error)
    }
}
