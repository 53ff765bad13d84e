//! How a group of appends is written: decided on what the log says under the write lock, in one transaction with one wait
//! for the disk. A group takes two trips to the connection's thread when it is small: lock and facts, then events and commit.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::append_queue::{DecidedGroup, Group, GroupError, GroupFacts, GroupWriter, Outcome, Queued, Wanted};
use cqrs_core::{EventId, Existing, Failure, GlobalPosition, NewEvent, Payload, Timestamp, Version};

use crate::claims;
use crate::connection::{WriteConnection, rollback};
use crate::error::{Meaning, meaning};
use crate::facts::{Facts, json, json_ids};
use crate::insert::{Insert, NewRow, NotInserted};
use crate::queries;
use crate::row::existing;
use crate::statements::{BEGIN, FIND};

#[derive(Debug)]
pub(crate) struct SqliteGroupWriter {
    writes: Arc<WriteConnection>,
    insert: Insert,
}

impl SqliteGroupWriter {
    pub fn new(writes: Arc<WriteConnection>, insert: Insert) -> Self {
        Self { writes, insert }
    }
}

#[async_trait]
impl GroupWriter for SqliteGroupWriter {
    async fn write(&mut self, group: &mut Group) -> Result<Vec<Outcome>, GroupError> {
        let wanted = Wanted::of(group.waiting().iter().map(Queued::append));
        let streams = json(&wanted.streams).map_err(not_written)?;
        let ids = json_ids(wanted.ids.iter().copied());
        let mut turn = self.writes.turn().await;
        let begin = || sqlx::query(BEGIN).bind(&streams).bind(&ids);
        let (mut connection, rows) = turn.run(begin).await.map_err(not_written)?;
        let Facts { last, heads, archived, existing } = Facts::read(&rows).map_err(not_written)?;
        let held = claims::read(&mut connection, &wanted.claims).await.map_err(not_written)?;
        let mut facts = GroupFacts::new(heads, existing).archived(archived).with_claims(held);
        if !wanted.queries.is_empty() {
            let windows: Vec<_> =
                wanted.queries.iter().map(|(query, after)| (*query, *after, GlobalPosition::MAX)).collect();
            let found = queries::matching(&mut connection, &windows, 1).await.map_err(not_written)?;
            let first =
                windows.iter().zip(found).map(|((query, after, _), found)| (*query, *after, found.first().copied()));
            facts = facts.with_queries(last.position, first);
        }
        let group = group.send();
        let decided = facts.decide(group.iter().map(Queued::append));
        let recorded_at = Timestamp::now().max(last.recorded_at.plus_micros(1));
        let events = place(group, &decided, last.position, recorded_at);
        if events.is_empty() {
            rollback(&mut connection).await.map_err(not_written)?;
            turn.give_back(connection);
            return Ok(decided.outcomes(last.position, last.recorded_at));
        }
        let first = last.position.next();
        self.insert.and_commit(&mut connection, &events, &decided.claims(first)).await.map_err(not_inserted)?;
        turn.give_back(connection);
        Ok(decided.outcomes(first, recorded_at))
    }

    async fn find(&mut self, ids: &[EventId]) -> Result<Vec<(EventId, Option<Existing>)>, GroupError> {
        let wanted = json_ids(ids.iter().copied());
        let mut turn = self.writes.turn().await;
        let (mut connection, rows) = turn.run(|| sqlx::query(FIND).bind(&wanted)).await.map_err(not_written)?;
        rollback(&mut connection).await.map_err(not_written)?;
        turn.give_back(connection);
        let found: HashMap<EventId, Existing> =
            rows.iter().map(existing).collect::<Result<_, _>>().map_err(not_written)?;
        Ok(ids.iter().map(|id| (*id, found.get(id).cloned())).collect())
    }

    async fn close(&mut self) {
        let _ = self.writes.turn().await.close().await;
    }
}

/// An error before the commit: the transaction is rolled back, whatever it was.
fn not_written(error: sqlx::Error) -> GroupError {
    match meaning(&error) {
        Meaning::Busy | Meaning::Transient => GroupError::NotWritten(Failure::new(error)),
        Meaning::Corrupt | Meaning::Permanent => GroupError::Refused(Failure::new(error)),
    }
}

fn not_inserted(NotInserted { error, committing }: NotInserted) -> GroupError {
    match not_written(error) {
        // The commit may have failed.
        GroupError::NotWritten(failure) if committing => GroupError::NoAnswer(failure),
        other => other,
    }
}

fn place<'a>(
    group: &'a [Queued],
    decided: &'a DecidedGroup<'_>,
    last: GlobalPosition,
    recorded_at: Timestamp,
) -> Vec<NewRow<'a>> {
    let accepted = decided.accepted().flat_map(|(index, versions)| group[index].events().zip(versions));
    let place = |(((event, metadata), &version), position): (((&'a NewEvent, &'a Payload), &Version), u64)| NewRow {
        position: GlobalPosition::new(position),
        version,
        recorded_at,
        occurred_at: event.occurred_at,
        id: event.id,
        stream: &event.stream,
        event_type: &event.event_type,
        payload: &event.payload,
        metadata,
    };
    accepted.zip(last.get() + 1..).map(place).collect()
}
