//! History that was recorded elsewhere, by COPY.
//!
//! The server cannot end a COPY whose client has fallen silent, whatever its timeouts. So what comes from the client is
//! collected in a table of the session first, and moves into the log under the append lock, in one statement.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{
    EventId, Failure, ImportError, ImportEvents, ImportFacts, Imported, RecordedEvent, StoreError, StreamName,
    Timestamp, Version, check_import, claimed_keys,
};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use uuid::Uuid;

use crate::claims;
use crate::copy_row::HEADER;
use crate::error::{Meaning, meaning, store_error};
use crate::event_store::{PgEventStore, read_head};
use crate::row::{Rows, to_version};
use crate::value::{PgTimestamp, since_2000};

#[async_trait]
impl ImportEvents for PgEventStore {
    async fn import(&self, events: Vec<RecordedEvent>) -> Result<Imported, ImportError> {
        let mut session = self.sessions().start_bare().await.map_err(store_error)?;
        let limit = self.attempt_timeout();
        // The server gives up as well: a client that falls silent does not keep the lock.
        let Ok(imported) = tokio::time::timeout(limit, self.import_on(&mut session, &events, limit)).await else {
            return Err(ImportError::Unknown(StoreError::Transient(Failure::new("the import took too long"))));
        };
        match imported {
            Ok(imported) => {
                // It is committed, whatever becomes of the session.
                let _ = session.done().await;
                Ok(imported)
            }
            Err(Interrupted::Refused(error)) => Err(error),
            Err(Interrupted::Failed { error, committing }) => Err(match meaning(&error) {
                Meaning::NoAnswer if committing => ImportError::Unknown(store_error(error)),
                Meaning::Unique => self.reused(&events).await.unwrap_or_else(|| store_error(error).into()),
                _ => store_error(error).into(),
            }),
        }
    }
}

/// What ended an import.
enum Interrupted {
    Refused(ImportError),
    Failed { error: sqlx::Error, committing: bool },
}

impl From<sqlx::Error> for Interrupted {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed { error, committing: false }
    }
}

impl PgEventStore {
    async fn import_on(
        &self,
        connection: &mut PgConnection,
        events: &[RecordedEvent],
        limit: Duration,
    ) -> Result<Imported, Interrupted> {
        let sql = self.sql();
        let Some(last) = events.last() else {
            return Ok(Imported::default());
        };
        let mut transaction = connection.begin_with(self.sessions().settings().begin_within(limit)).await?;
        sqlx::raw_sql(sql.stage.clone()).execute(&mut *transaction).await?;
        let mut copy = transaction.copy_in_raw(sql.import.as_str()).await?;
        for chunk in binary(events) {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
        sql.query(&sql.lock).execute(&mut *transaction).await?;
        let head = read_head(&mut *transaction, sql).await?;
        // What lies beyond the end cannot have been imported before.
        if last.position <= head.position && self.holds(&mut transaction, events).await? {
            return Ok(Imported { written: 0, repeated: events.len() });
        }
        let clock: PgTimestamp = sql.query(&sql.clock).fetch_one(&mut *transaction).await?.try_get(0)?;
        let (heads, archived) = self.heads(&mut transaction, events).await?;
        let held = claims::read(&mut transaction, sql, &claimed_keys(events)).await?.into_iter().collect();
        let facts = ImportFacts { head, clock: clock.0, heads, archived, claims: held };
        let changes = check_import(events, &facts, &self.limits()).map_err(Interrupted::Refused)?;
        sqlx::raw_sql(sql.take_in.clone()).execute(&mut *transaction).await?;
        sqlx::raw_sql(sql.take_in_tags.clone()).execute(&mut *transaction).await?;
        claims::write(&mut transaction, sql, &changes).await?;
        let position = last.position.get().to_string();
        sql.query(&sql.notify).bind(position).execute(&mut *transaction).await?;
        let committed = transaction.commit().await;
        committed.map_err(|error| Interrupted::Failed { error, committing: true })?;
        Ok(Imported { written: events.len(), repeated: 0 })
    }

    /// Whether all of these events are in the log just so.
    async fn holds(&self, connection: &mut PgConnection, events: &[RecordedEvent]) -> Result<bool, sqlx::Error> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.id.as_uuid()).collect();
        let found = self.sql().query(&self.sql().imported).bind(ids).fetch_all(connection).await?;
        let mut rows = Rows::default();
        let found: HashMap<EventId, RecordedEvent> =
            found.iter().map(|row| rows.event(row).map(|event| (event.id, event))).collect::<Result<_, _>>()?;
        Ok(events.iter().all(|event| found.get(&event.id) == Some(event)))
    }

    /// The newest version of each stream, and which of them are archived.
    async fn heads(
        &self,
        connection: &mut PgConnection,
        events: &[RecordedEvent],
    ) -> Result<(HashMap<StreamName, Option<Version>>, HashSet<StreamName>), sqlx::Error> {
        let mut streams: Vec<&StreamName> = events.iter().map(|event| &event.stream).collect();
        streams.sort_unstable();
        streams.dedup();
        let names: Vec<&str> = streams.iter().map(|stream| stream.as_str()).collect();
        let rows = self.sql().query(&self.sql().heads).bind(names).fetch_all(connection).await?;
        let (mut heads, mut archived) = (HashMap::new(), HashSet::new());
        for (stream, row) in streams.into_iter().zip(&rows) {
            heads.insert(stream.clone(), to_version(row.try_get(0)?));
            archived.extend(row.try_get::<bool, _>(1)?.then(|| stream.clone()));
        }
        Ok((heads, archived))
    }

    /// The event whose id is taken.
    async fn reused(&self, events: &[RecordedEvent]) -> Option<ImportError> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.id.as_uuid()).collect();
        let mut session = self.sessions().start().await.ok()?;
        let taken = self.sql().query(&self.sql().imported).bind(ids).fetch_all(&mut *session).await.ok()?;
        session.done().await.ok()?;
        let row = taken.first()?;
        Some(ImportError::EventIdReused { id: EventId::from_uuid(row.try_get(1).ok()?) })
    }
}

/// COPY's binary format in chunks of about 64 KiB.
fn binary(events: &[RecordedEvent]) -> impl Iterator<Item = Vec<u8>> {
    const CHUNK: usize = 64 << 10;
    let mut rest = events.iter();
    let mut chunk = HEADER.to_vec();
    let mut ended = false;
    std::iter::from_fn(move || {
        while chunk.len() < CHUNK && !ended {
            match rest.next() {
                Some(event) => row(&mut chunk, event),
                None => {
                    chunk.extend_from_slice(&(-1i16).to_be_bytes());
                    ended = true;
                }
            }
        }
        (!chunk.is_empty()).then(|| std::mem::take(&mut chunk))
    })
}

fn row(to: &mut Vec<u8>, event: &RecordedEvent) {
    let time = |time: Timestamp| since_2000(time).to_be_bytes();
    to.extend_from_slice(&9i16.to_be_bytes());
    field(to, Some(&event.position.get().to_be_bytes()));
    field(to, Some(&event.version.get().to_be_bytes()));
    field(to, Some(&time(event.recorded_at)));
    field(to, event.occurred_at.map(time).as_ref().map(<[u8; 8]>::as_slice));
    field(to, Some(event.id.as_uuid().as_bytes()));
    field(to, Some(event.stream.as_str().as_bytes()));
    field(to, Some(event.event_type.as_str().as_bytes()));
    field(to, Some(event.payload.as_bytes()));
    field(to, Some(event.metadata.as_bytes()));
}

/// The length in four bytes (-1 for null), then the bytes. Events are limited to far less than 2 GiB.
fn field(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes.unwrap_or_default());
}
