//! History that was recorded elsewhere, inserted under the write lock in one transaction.

use std::collections::HashMap;

use async_trait::async_trait;
use cqrs_core::{
    ClaimChange, EventId, ImportError, ImportEvents, ImportFacts, Imported, RecordedEvent, Timestamp, check_import,
    claimed_keys,
};
use sqlx::SqliteConnection;

use crate::claims;
use crate::connection::rollback;
use crate::error::{Meaning, meaning, store_error};
use crate::event_store::{SqliteEventStore, packed, read_head};
use crate::facts::{Facts, json, json_ids};
use crate::insert::{NewRow, NotInserted};
use crate::row::Events;
use crate::statements::{BEGIN, IMPORTED};

#[async_trait]
impl ImportEvents for SqliteEventStore {
    async fn import(&self, events: Vec<RecordedEvent>) -> Result<Imported, ImportError> {
        let Some(last) = events.last() else {
            return Ok(Imported::default());
        };
        let mut streams: Vec<_> = events.iter().map(|event| &event.stream).collect();
        streams.sort_unstable();
        streams.dedup();
        let streams = json(&streams).map_err(store_error)?;
        let ids = json_ids(events.iter().map(|event| event.id));
        let mut turn = self.writes().turn().await;
        let begin = || sqlx::query(BEGIN).bind(&streams).bind(&ids);
        let (mut connection, rows) = turn.run(begin).await.map_err(store_error)?;
        let facts = Facts::read(&rows).map_err(store_error)?;
        let decided = self.decide(&mut connection, &events, facts).await;
        if let Ok(Some(claims)) = &decided {
            let rows: Vec<_> = events.iter().map(row).collect();
            self.insert().and_commit(&mut connection, &rows, claims).await.map_err(not_imported)?;
            self.newest().advance(last.position);
        } else {
            rollback(&mut connection).await.map_err(store_error)?;
        }
        turn.give_back(connection);
        Ok(match decided? {
            Some(_) => Imported { written: events.len(), repeated: 0 },
            None => Imported { written: 0, repeated: events.len() },
        })
    }
}

impl SqliteEventStore {
    /// What the events change of the claims, when they are to be written; `None` when they were. Under the write lock.
    async fn decide(
        &self,
        connection: &mut SqliteConnection,
        events: &[RecordedEvent],
        facts: Facts,
    ) -> Result<Option<Vec<ClaimChange>>, ImportError> {
        if !facts.existing.is_empty() && self.holds(connection, events).await.map_err(store_error)? {
            return Ok(None);
        }
        let head = read_head(&mut *connection).await.map_err(store_error)?;
        let heads = facts.heads.into_iter().map(|(stream, version)| (stream, Some(version))).collect();
        let archived = facts.archived.into_iter().collect();
        let wanted = claimed_keys(events);
        let held = claims::read(&mut *connection, &wanted.iter().collect::<Vec<_>>()).await.map_err(store_error)?;
        let claims = held.into_iter().collect();
        let changes = check_import(
            events,
            &ImportFacts { head, clock: Timestamp::now(), heads, archived, claims },
            self.limits(),
        )?;
        match facts.existing.first() {
            Some((id, _)) => Err(ImportError::EventIdReused { id: *id }),
            None => Ok(Some(changes)),
        }
    }

    /// Whether all of these events are in the log just so.
    async fn holds(&self, connection: &mut SqliteConnection, events: &[RecordedEvent]) -> Result<bool, sqlx::Error> {
        let (mut unpacked, mut found) = (Events::default(), Vec::new());
        for wanted in events.chunks(self.pack(events.len())) {
            let ids = json_ids(wanted.iter().map(|event| event.id));
            let row = sqlx::query(IMPORTED).bind(ids).fetch_one(&mut *connection).await?;
            found.clear();
            unpacked.unpack(packed(&row, 0)?, &mut found)?;
            let found: HashMap<EventId, &RecordedEvent> = found.iter().map(|event| (event.id, event)).collect();
            if wanted.iter().any(|event| found.get(&event.id) != Some(&event)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn row(event: &RecordedEvent) -> NewRow<'_> {
    NewRow {
        position: event.position,
        version: event.version,
        recorded_at: event.recorded_at,
        occurred_at: event.occurred_at,
        id: event.id,
        stream: &event.stream,
        event_type: &event.event_type,
        payload: &event.payload,
        metadata: &event.metadata,
    }
}

fn not_imported(NotInserted { error, committing }: NotInserted) -> ImportError {
    match meaning(&error) {
        Meaning::Busy | Meaning::Transient if committing => ImportError::Unknown(store_error(error)),
        _ => store_error(error).into(),
    }
}
