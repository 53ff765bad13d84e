//! What is known of streams besides their events, changed under the append lock.

use async_trait::async_trait;
use cqrs_core::{
    Archived, StoreError, StreamFacts, StreamFactsChange, StreamFactsError, StreamFactsPage, StreamFactsStore,
    StreamMoment, StreamName,
};
use futures::TryStreamExt;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use crate::error::{Meaning, meaning, store_error};
use crate::event_store::PgEventStore;
use crate::row::{self, to_version};
use crate::value::PgTimestamp;

#[async_trait]
impl StreamFactsStore for PgEventStore {
    async fn change_facts(
        &self,
        stream: &StreamName,
        change: StreamFactsChange,
    ) -> Result<StreamFacts, StreamFactsError> {
        let mut session = self.sessions().in_time(self.sessions().start_bare()).await.map_err(store_error)?;
        let mut committing = false;
        let change = self.change_on(&mut session, stream, change, &mut committing);
        match self.sessions().in_time(change).await {
            Ok(decided) => {
                // It is settled, whatever becomes of the session.
                let _ = session.done().await;
                decided
            }
            Err(error) if committing && meaning(&error) == Meaning::NoAnswer => {
                Err(StreamFactsError::Unknown(store_error(error)))
            }
            Err(error) => Err(store_error(error).into()),
        }
    }

    async fn facts(&self, stream: &StreamName) -> Result<StreamFacts, StoreError> {
        let statement = self.sql().query(&self.sql().find_stream_facts).bind(stream.as_str());
        let row = self.sessions().fetch_optional(statement).await.map_err(store_error)?;
        row.map_or(Ok(StreamFacts::default()), |row| facts(&row, 0)).map_err(store_error)
    }

    async fn list_facts(&self, after: Option<&StreamName>, limit: usize) -> Result<StreamFactsPage, StoreError> {
        let limit = limit.max(1);
        self.sessions().in_time(self.read_list(after, limit)).await.map_err(store_error)
    }
}

impl PgEventStore {
    async fn change_on(
        &self,
        connection: &mut PgConnection,
        stream: &StreamName,
        change: StreamFactsChange,
        committing: &mut bool,
    ) -> Result<Result<StreamFacts, StreamFactsError>, sqlx::Error> {
        let sql = self.sql();
        let mut transaction = connection.begin_with(self.sessions().settings().begin()).await?;
        sql.query(&sql.lock).execute(&mut *transaction).await?;
        let row = sql.query(&sql.stream_moment).bind(stream.as_str()).fetch_one(&mut *transaction).await?;
        let found = moment(&row)?;
        let facts = match StreamFacts::after(stream, change, &found) {
            Ok(facts) => facts,
            Err(error) => {
                transaction.rollback().await?;
                return Ok(Err(error));
            }
        };
        if facts.is_empty() {
            sql.query(&sql.remove_stream_facts).bind(stream.as_str()).execute(&mut *transaction).await?;
        } else {
            sql.query(&sql.save_stream_facts)
                .bind(stream.as_str())
                .bind(facts.archived.map(|archived| archived.position.get().cast_signed()))
                .bind(facts.archived.map(|archived| PgTimestamp(archived.at)))
                .bind(facts.truncated_before.map(|version| version.get().cast_signed()))
                .execute(&mut *transaction)
                .await?;
        }
        *committing = true;
        transaction.commit().await?;
        Ok(Ok(facts))
    }

    async fn read_list(&self, after: Option<&StreamName>, limit: usize) -> Result<StreamFactsPage, sqlx::Error> {
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let after = after.map_or("", StreamName::as_str);
        let mut session = self.sessions().start().await?;
        let query = self.sql().query(&self.sql().list_stream_facts).bind(after).bind(rows);
        let mut found = query.fetch(&mut *session);
        let mut page = StreamFactsPage::default();
        while let Some(row) = found.try_next().await? {
            let stream = StreamName::new(row.try_get::<&str, _>(3)?).map_err(row::corrupt)?;
            page.streams.push((stream, facts(&row, 0)?));
        }
        drop(found);
        session.done().await?;
        page.more = page.streams.len() > limit;
        page.streams.truncate(limit);
        Ok(page)
    }
}

/// The columns version, position, time, and those of the facts.
fn moment(row: &PgRow) -> Result<StreamMoment, sqlx::Error> {
    let now = Archived { position: row::position(row, 1)?, at: row.try_get::<PgTimestamp, _>(2)?.0 };
    let head = row.try_get::<Option<i64>, _>(0)?.and_then(to_version);
    Ok(StreamMoment { head, facts: facts(row, 3)?, now })
}

/// The columns archived_position, archived_at, truncated_before, from `first` on; all of them may be null.
fn facts(row: &PgRow, first: usize) -> Result<StreamFacts, sqlx::Error> {
    let mut facts = StreamFacts::default();
    if let Some(at) = row.try_get::<Option<PgTimestamp>, _>(first + 1)? {
        facts.archived = Some(Archived { position: row::position(row, first)?, at: at.0 });
    }
    facts.truncated_before = row.try_get::<Option<i64>, _>(first + 2)?.and_then(to_version);
    Ok(facts)
}
