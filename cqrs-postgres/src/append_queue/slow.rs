//! A group in which not every append can simply be written: each is decided by the rules, on what the log says under the
//! lock.

use std::collections::HashMap;

use cqrs_core::append_queue::{EncodedAppend, GroupFacts, Outcome, Queued, Wanted};
use cqrs_core::{EventId, Existing, GlobalPosition, StreamName, Timestamp, Version};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use super::plan::Plan;
use super::statement;
use crate::claims;
use crate::event_store::read_head;
use crate::queries;
use crate::row::{existing, to_version};
use crate::settings::Settings;
use crate::statements::Statements;

pub(super) async fn write(
    connection: &mut PgConnection,
    sql: &Statements,
    settings: &Settings,
    group: &[Queued],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut transaction = connection.begin_with(settings.begin()).await?;
    sql.query(&sql.lock).execute(&mut *transaction).await?;
    let group: Vec<&EncodedAppend> = group.iter().map(Queued::encoded).collect();
    let outcomes = write_locked(&mut transaction, sql, &group).await?;
    transaction.commit().await?;
    Ok(outcomes)
}

/// In a transaction that has the append lock. It is as it was where none of the appends is accepted.
pub(crate) async fn write_locked(
    connection: &mut PgConnection,
    sql: &Statements,
    group: &[&EncodedAppend],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let facts = read_facts(connection, sql, group).await?;
    let decided = facts.decide(group.iter().map(|encoded| encoded.append()));
    let accepted: Vec<&EncodedAppend> = decided.accepted().map(|(index, _)| group[index]).collect();
    let mut at = (GlobalPosition::START, Timestamp::MIN);
    if !accepted.is_empty() {
        let plan = Plan::of_decided(accepted.iter().map(|encoded| encoded.append())).ok_or_else(disagreed)?;
        let written = statement::write(connection, sql, accepted, &plan).await?.ok_or_else(disagreed)?;
        at = (GlobalPosition::new(written.first_position), written.recorded_at);
        claims::write(connection, sql, &decided.claims(at.0)).await?;
    }
    Ok(decided.outcomes(at.0, at.1))
}

/// What the log says of these events, after every append that is being written.
pub(super) async fn find(
    connection: &mut PgConnection,
    sql: &Statements,
    settings: &Settings,
    ids: &[EventId],
) -> Result<Vec<(EventId, Option<Existing>)>, sqlx::Error> {
    let mut transaction = connection.begin_with(settings.begin()).await?;
    sql.query(&sql.lock).execute(&mut *transaction).await?;
    let found: HashMap<EventId, Existing> = read_existing(&mut transaction, sql, ids).await?.into_iter().collect();
    transaction.commit().await?;
    Ok(ids.iter().map(|id| (*id, found.get(id).cloned())).collect())
}

/// The rules and the database see the same heads under the same lock; that they differ is a defect, told as such.
fn disagreed() -> sqlx::Error {
    sqlx::Error::Configuration("the append function refused what was decided under its own lock".into())
}

async fn read_facts(
    connection: &mut PgConnection,
    sql: &Statements,
    group: &[&EncodedAppend],
) -> Result<GroupFacts, sqlx::Error> {
    let wanted = Wanted::of(group.iter().map(|encoded| encoded.append()));
    let names: Vec<&str> = wanted.streams.iter().map(|stream| stream.as_str()).collect();
    let rows = sql.query(&sql.heads).bind(names).fetch_all(&mut *connection).await?;
    let mut heads: Vec<(StreamName, Version)> = Vec::new();
    let mut archived: Vec<StreamName> = Vec::new();
    for (stream, row) in wanted.streams.into_iter().zip(&rows) {
        heads.extend(to_version(row.try_get(0)?).map(|version| (stream.clone(), version)));
        archived.extend(row.try_get::<bool, _>(1)?.then(|| stream.clone()));
    }
    let held = claims::read(&mut *connection, sql, wanted.claims).await?;
    let existing = read_existing(&mut *connection, sql, &wanted.ids).await?;
    let facts = GroupFacts::new(heads, existing).archived(archived).with_claims(held);
    if wanted.queries.is_empty() {
        return Ok(facts);
    }
    let head = read_head(&mut *connection, sql).await?.position;
    let first = queries::first_matching(connection, sql, &wanted.queries).await?;
    Ok(facts
        .with_queries(head, wanted.queries.into_iter().zip(first).map(|((query, after), found)| (query, after, found))))
}

async fn read_existing(
    connection: &mut PgConnection,
    sql: &Statements,
    ids: &[EventId],
) -> Result<Vec<(EventId, Existing)>, sqlx::Error> {
    let wanted: Vec<Uuid> = ids.iter().map(EventId::as_uuid).collect();
    let rows = sql.query(&sql.existing).bind(wanted).fetch_all(connection).await?;
    rows.iter().map(existing).collect()
}
