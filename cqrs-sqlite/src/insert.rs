//! Events as rows: few statements, each prepared once.

use cqrs_core::{ClaimChange, EventId, EventType, GlobalPosition, Payload, StreamName, Timestamp, Version};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr, SqliteConnection};

use crate::{claims, statements};

/// Events in one statement at most: a power of two, so that any number of events is written by few statements, each
/// prepared once.
const STATEMENT_EVENTS: usize = 128;

/// The statements that insert events, alone or in numbers.
#[derive(Debug, Clone)]
pub(crate) struct Insert {
    /// The statement for 2^index events.
    statements: Vec<SqlStr>,
    /// The same, and the commit.
    last_statements: Vec<SqlStr>,
}

/// An event as it is written.
pub(crate) struct NewRow<'a> {
    pub position: GlobalPosition,
    pub version: Version,
    pub recorded_at: Timestamp,
    pub occurred_at: Option<Timestamp>,
    pub id: EventId,
    pub stream: &'a StreamName,
    pub event_type: &'a EventType,
    pub payload: &'a Payload,
    pub metadata: &'a Payload,
}

/// Why events were not inserted.
pub(crate) struct NotInserted {
    pub error: sqlx::Error,
    /// Whether the commit was under way.
    pub committing: bool,
}

impl Insert {
    pub fn new() -> Self {
        let statements = (0..=STATEMENT_EVENTS.ilog2()).map(|power| statements::append(1 << power));
        let (statements, last_statements) = statements
            .map(|sql| (AssertSqlSafe(sql.clone()).into_sql_str(), AssertSqlSafe(sql + "; commit").into_sql_str()))
            .unzip();
        Self { statements, last_statements }
    }

    /// Writes the events, at least one, and what they change of the claims, and commits.
    pub async fn and_commit(
        &self,
        connection: &mut SqliteConnection,
        mut rows: &[NewRow<'_>],
        claims: &[ClaimChange],
    ) -> Result<(), NotInserted> {
        while let Some(power) = rows.len().min(STATEMENT_EVENTS).checked_ilog2() {
            let (now, later) = rows.split_at(1 << power);
            let committing = later.is_empty() && claims.is_empty();
            let statements = if committing { &self.last_statements } else { &self.statements };
            let mut query = sqlx::query(statements[power as usize].clone());
            for row in now {
                query = query
                    .bind(row.position.get().cast_signed())
                    .bind(row.version.get().cast_signed())
                    .bind(row.recorded_at.as_micros())
                    .bind(row.occurred_at.map(Timestamp::as_micros))
                    .bind(row.id.as_uuid())
                    .bind(row.stream.as_str())
                    .bind(row.event_type.as_str())
                    .bind(row.payload.as_str())
                    .bind(row.metadata.as_str());
            }
            let inserted = query.execute(&mut *connection).await;
            inserted.map_err(|error| NotInserted { error, committing })?;
            rows = later;
        }
        match claims {
            [] => Ok(()),
            claims => claims::write_and_commit(connection, claims)
                .await
                .map_err(|error| NotInserted { error, committing: true }),
        }
    }
}
