//! What is known of streams besides their events, changed under the write lock.

use async_trait::async_trait;
use cqrs_core::{
    Archived, StoreError, StreamFacts, StreamFactsChange, StreamFactsError, StreamFactsPage, StreamFactsStore,
    StreamMoment, StreamName, Timestamp,
};
use sqlx::sqlite::SqliteRow;

use crate::connection::rollback;
use crate::error::{Meaning, meaning, store_error};
use crate::event_store::SqliteEventStore;
use crate::row::{corrupt, is_null, position, stream, timestamp, version};
use crate::statements::{FIND_STREAM_FACTS, LIST_STREAM_FACTS, REMOVE_STREAM_FACTS, SAVE_STREAM_FACTS, STREAM_MOMENT};

#[async_trait]
impl StreamFactsStore for SqliteEventStore {
    async fn change_facts(
        &self,
        stream: &StreamName,
        change: StreamFactsChange,
    ) -> Result<StreamFacts, StreamFactsError> {
        let mut turn = self.writes().turn().await;
        let begin = || sqlx::query(STREAM_MOMENT).bind(stream.as_str());
        let (mut connection, rows) = turn.run(begin).await.map_err(store_error)?;
        let found = rows.first().ok_or_else(|| corrupt("a moment without a row")).and_then(moment);
        let facts = match StreamFacts::after(stream, change, &found.map_err(store_error)?) {
            Ok(facts) => facts,
            Err(error) => {
                rollback(&mut connection).await.map_err(store_error)?;
                turn.give_back(connection);
                return Err(error);
            }
        };
        let statement = if facts.is_empty() {
            sqlx::query(REMOVE_STREAM_FACTS).bind(stream.as_str())
        } else {
            sqlx::query(SAVE_STREAM_FACTS)
                .bind(stream.as_str())
                .bind(facts.archived.map(|archived| archived.position.get().cast_signed()))
                .bind(facts.archived.map(|archived| archived.at.as_micros()))
                .bind(facts.truncated_before.map(|version| version.get().cast_signed()))
        };
        match statement.execute(&mut connection).await {
            Ok(_) => {
                turn.give_back(connection);
                Ok(facts)
            }
            // The commit may have failed.
            Err(error) if meaning(&error) == Meaning::Transient => Err(StreamFactsError::Unknown(store_error(error))),
            Err(error) => Err(store_error(error).into()),
        }
    }

    async fn facts(&self, stream: &StreamName) -> Result<StreamFacts, StoreError> {
        let row = sqlx::query(FIND_STREAM_FACTS).bind(stream.as_str()).fetch_optional(self.pool()).await;
        let facts = row.and_then(|row| row.map_or(Ok(StreamFacts::default()), |row| facts(&row)));
        facts.map_err(store_error)
    }

    async fn list_facts(&self, after: Option<&StreamName>, limit: usize) -> Result<StreamFactsPage, StoreError> {
        let limit = limit.max(1);
        let rows = sqlx::query(LIST_STREAM_FACTS)
            .bind(after.map_or("", StreamName::as_str))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
            .fetch_all(self.pool())
            .await
            .map_err(store_error)?;
        let known = |row: &SqliteRow| Ok((stream(row, 3)?, facts(row)?));
        let mut streams: Vec<_> = rows.iter().map(known).collect::<Result<_, _>>().map_err(store_error)?;
        let more = streams.len() > limit;
        streams.truncate(limit);
        Ok(StreamFactsPage { streams, more })
    }
}

/// The columns of the facts, then version, position and time of the newest event.
fn moment(row: &SqliteRow) -> Result<StreamMoment, sqlx::Error> {
    let newest = if is_null(row, 5)? { Timestamp::MIN } else { timestamp(row, 5)? };
    let head = if is_null(row, 3)? { None } else { Some(version(row, 3)?) };
    let now = Archived { position: position(row, 4)?, at: newest.max(Timestamp::now()) };
    Ok(StreamMoment { head, facts: facts(row)?, now })
}

/// The columns archived_position, archived_at, truncated_before; all of them may be null.
fn facts(row: &SqliteRow) -> Result<StreamFacts, sqlx::Error> {
    let mut facts = StreamFacts::default();
    if !is_null(row, 0)? {
        facts.archived = Some(Archived { position: position(row, 0)?, at: timestamp(row, 1)? });
    }
    if !is_null(row, 2)? {
        facts.truncated_before = Some(version(row, 2)?);
    }
    Ok(facts)
}
