//! How a group of appends is written: decided on what the log says under the write lock, in one transaction with one wait
//! for the disk. A group takes two trips to the connection's thread when it is small: lock and facts, then events and commit.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::append_queue::{DecidedGroup, Group, GroupError, GroupFacts, GroupWriter, Outcome, Queued, Wanted};
use cqrs_core::{EventId, Existing, Failure, GlobalPosition, NewEvent, Payload, StreamName, Timestamp, Version};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqlSafeStr, SqlStr, SqliteConnection};

use crate::connection::WriteConnection;
use crate::error::{Meaning, meaning};
use crate::row::{existing, position, stream, timestamp, version};
use crate::statements::{self, BEGIN, FIND};

/// Events in one statement at most: a power of two, so that a group of any size is written by few statements, each
/// prepared once.
const STATEMENT_EVENTS: usize = 128;

#[derive(Debug)]
pub(crate) struct SqliteGroupWriter {
    writes: Arc<WriteConnection>,
    /// The statement for 2^index events.
    appends: Vec<SqlStr>,
    /// The same, and the commit.
    last_appends: Vec<SqlStr>,
}

/// The newest event.
#[derive(Debug, Clone, Copy)]
struct Last {
    position: GlobalPosition,
    recorded_at: Timestamp,
}

/// An event and where it goes.
struct Placed<'a> {
    event: &'a NewEvent,
    metadata: &'a Payload,
    position: u64,
    version: Version,
}

impl SqliteGroupWriter {
    pub fn new(writes: Arc<WriteConnection>) -> Self {
        let appends = (0..=STATEMENT_EVENTS.ilog2()).map(|power| statements::append(1 << power));
        let (appends, last_appends) = appends
            .map(|sql| (AssertSqlSafe(sql.clone()).into_sql_str(), AssertSqlSafe(sql + "; commit").into_sql_str()))
            .unzip();
        Self { writes, appends, last_appends }
    }

    /// Writes and commits.
    async fn insert(
        &self,
        connection: &mut SqliteConnection,
        recorded_at: Timestamp,
        mut events: &[Placed<'_>],
    ) -> Result<(), GroupError> {
        while let Some(power) = events.len().min(STATEMENT_EVENTS).checked_ilog2() {
            let (now, later) = events.split_at(1 << power);
            let statements = if later.is_empty() { &self.last_appends } else { &self.appends };
            let mut query = sqlx::query(statements[power as usize].clone());
            for placed in now {
                query = query
                    .bind(placed.position.cast_signed())
                    .bind(placed.version.get().cast_signed())
                    .bind(recorded_at.as_micros())
                    .bind(placed.event.occurred_at.map(Timestamp::as_micros))
                    .bind(placed.event.id.as_uuid())
                    .bind(placed.event.stream.as_str())
                    .bind(placed.event.event_type.as_str())
                    .bind(placed.event.payload.as_str())
                    .bind(placed.metadata.as_str());
            }
            query.execute(&mut *connection).await.map_err(|error| match not_written(error) {
                // The commit may have failed.
                GroupError::NotWritten(failure) if later.is_empty() => GroupError::NoAnswer(failure),
                other => other,
            })?;
            events = later;
        }
        Ok(())
    }
}

#[async_trait]
impl GroupWriter for SqliteGroupWriter {
    async fn write(&mut self, group: &mut Group) -> Result<Vec<Outcome>, GroupError> {
        let wanted = Wanted::of(group.waiting().iter().map(Queued::append));
        let (streams, ids) = (json(&wanted.streams)?, json_ids(&wanted.ids));
        let mut turn = self.writes.turn().await;
        let begin = || sqlx::query(BEGIN).bind(&streams).bind(&ids);
        let (mut connection, rows) = turn.run(begin).await.map_err(not_written)?;
        let (last, facts) = read_facts(&rows).map_err(not_written)?;
        let group = group.send();
        let decided = facts.decide(group.iter().map(Queued::append));
        let events = place(group, &decided, last);
        if events.is_empty() {
            rollback(&mut connection).await?;
            turn.give_back(connection);
            return Ok(decided.outcomes(last.position, last.recorded_at));
        }
        let recorded_at = Timestamp::now().max(last.recorded_at.plus_micros(1));
        self.insert(&mut connection, recorded_at, &events).await?;
        turn.give_back(connection);
        Ok(decided.outcomes(last.position.next(), recorded_at))
    }

    async fn find(&mut self, ids: &[EventId]) -> Result<Vec<(EventId, Option<Existing>)>, GroupError> {
        let wanted = json_ids(ids);
        let mut turn = self.writes.turn().await;
        let (mut connection, rows) = turn.run(|| sqlx::query(FIND).bind(&wanted)).await.map_err(not_written)?;
        rollback(&mut connection).await?;
        turn.give_back(connection);
        let found: HashMap<EventId, Existing> =
            rows.iter().map(existing).collect::<Result<_, _>>().map_err(not_written)?;
        Ok(ids.iter().map(|id| (*id, found.get(id).cloned())).collect())
    }

    async fn close(&mut self) {
        if let Some(connection) = self.writes.turn().await.close() {
            let _ = connection.close().await;
        }
    }
}

/// An error before the commit: the transaction is rolled back, whatever it was.
fn not_written(error: sqlx::Error) -> GroupError {
    match meaning(&error) {
        Meaning::Busy | Meaning::Transient => GroupError::NotWritten(Failure::new(error)),
        Meaning::Corrupt | Meaning::Permanent => GroupError::Refused(Failure::new(error)),
    }
}

/// The newest event, and what the group is decided on.
fn read_facts(rows: &[SqliteRow]) -> Result<(Last, GroupFacts), sqlx::Error> {
    let mut last = Last { position: GlobalPosition::START, recorded_at: Timestamp::MIN };
    let (mut heads, mut found) = (Vec::new(), Vec::new());
    for row in rows {
        if !is_null(row, 0)? {
            found.push(existing(row)?);
        } else if is_null(row, 1)? {
            last = Last { position: position(row, 3)?, recorded_at: timestamp(row, 4)? };
        } else if !is_null(row, 2)? {
            heads.push((stream(row, 1)?, version(row, 2)?));
        }
    }
    Ok((last, GroupFacts::new(heads, found)))
}

fn place<'a>(group: &'a [Queued], decided: &DecidedGroup<'_>, last: Last) -> Vec<Placed<'a>> {
    let accepted = decided.accepted().flat_map(|(index, versions)| group[index].events().zip(versions));
    let positions = last.position.get() + 1..;
    let place = |(((event, metadata), &version), position)| Placed { event, metadata, position, version };
    accepted.zip(positions).map(place).collect()
}

fn is_null(row: &SqliteRow, column: usize) -> Result<bool, sqlx::Error> {
    Ok(sqlx::ValueRef::is_null(&row.try_get_raw(column)?))
}

fn json_ids(ids: &[EventId]) -> String {
    let mut json = String::with_capacity(ids.len() * 35 + 2);
    json.push('[');
    for (index, id) in ids.iter().enumerate() {
        json.push_str(if index == 0 { "\"" } else { ",\"" });
        json.push_str(id.as_uuid().simple().encode_lower(&mut uuid::Uuid::encode_buffer()));
        json.push('"');
    }
    json.push(']');
    json
}

fn json(names: &[&StreamName]) -> Result<String, GroupError> {
    serde_json::to_string(names).map_err(|error| GroupError::Refused(Failure::new(error)))
}

async fn rollback(connection: &mut SqliteConnection) -> Result<(), GroupError> {
    sqlx::query("rollback").execute(connection).await.map(|_| ()).map_err(not_written)
}
