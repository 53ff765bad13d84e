//! A group in which not every append can simply be written: each is decided by the rules, on what the log says under the
//! lock.

use std::collections::{HashMap, HashSet};

use cqrs_core::{
    Append, AppendError, Appended, Condition, Decision, EventId, Existing, Facts, Failure, GlobalPosition, StreamName,
    Timestamp, Version, decide,
};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use super::plan::Plan;
use super::{Outcome, Waiting, statement};
use crate::row::{existing, to_version};
use crate::statements::Statements;

/// What the log says, and what the group adds to it append by append.
struct GroupFacts {
    heads: HashMap<StreamName, Option<Version>>,
    existing: HashMap<EventId, Existing>,
    in_group: HashSet<EventId>,
}

impl GroupFacts {
    /// Adds an append that will be written; its position and time are drawn then.
    fn add(&mut self, append: &Append, versions: &[Version]) {
        for (event, &version) in append.events.iter().zip(versions) {
            let existing = Existing {
                stream: event.stream.clone(),
                version,
                position: GlobalPosition::START,
                recorded_at: Timestamp::MIN,
                event_type: event.event_type.clone(),
                payload: event.payload.clone(),
            };
            self.heads.insert(event.stream.clone(), Some(version));
            self.in_group.insert(event.id);
            self.existing.insert(event.id, existing);
        }
    }

    fn place(&mut self, append: &Append, appended: &Appended) {
        let mut position = appended.first_position;
        for event in &append.events {
            if let Some(existing) = self.existing.get_mut(&event.id) {
                existing.position = position;
                existing.recorded_at = appended.recorded_at;
            }
            position = position.next();
        }
    }
}

impl Facts for GroupFacts {
    fn head(&self, stream: &StreamName) -> Option<Version> {
        self.heads.get(stream).copied().flatten()
    }

    fn existing(&self, id: EventId) -> Option<Existing> {
        self.existing.get(&id).cloned()
    }
}

/// An append's outcome before the accepted ones are written.
enum Decided {
    /// The index among those that are written.
    Written(usize),
    /// It repeats events of the same group, which have no positions yet.
    RepeatsGroup,
    Done(Outcome),
}

pub(super) async fn write(
    connection: &mut PgConnection,
    sql: &Statements,
    group: &[&Waiting],
) -> Result<Vec<Outcome>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql.lock.clone()).execute(&mut *transaction).await?;
    let mut facts = read_facts(&mut transaction, sql, group).await?;
    let (decided, accepted) = decide_all(group, &mut facts);
    let mut written = Vec::new();
    if !accepted.is_empty() {
        let plan = Plan::of(accepted.iter().map(|waiting| &waiting.append)).ok_or_else(disagreed)?;
        let answer = statement::write(&mut transaction, sql, &accepted, &plan).await?.ok_or_else(disagreed)?;
        written = plan.outcomes(accepted.iter().map(|waiting| waiting.append.events.len()), &answer);
    }
    transaction.commit().await?;
    for (waiting, appended) in accepted.iter().zip(&written) {
        facts.place(&waiting.append, appended);
    }
    let outcome = |(waiting, decided): (&&Waiting, Decided)| match decided {
        Decided::Written(index) => Ok(written[index].clone()),
        Decided::Done(outcome) => outcome,
        Decided::RepeatsGroup => {
            let ids = waiting.append.events.iter().map(|event| (event.id, facts.existing(event.id)));
            let gone = || AppendError::Permanent(Failure::new(disagreed()));
            Existing::outcome(ids)?.ok_or_else(gone)
        }
    };
    Ok(group.iter().zip(decided).map(outcome).collect())
}

/// What the log says of these events, after every append that is being written.
pub(super) async fn outcome(
    connection: &mut PgConnection,
    sql: &Statements,
    ids: &[EventId],
) -> Result<Vec<(EventId, Option<Existing>)>, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(sql.lock.clone()).execute(&mut *transaction).await?;
    let wanted: Vec<Uuid> = ids.iter().map(EventId::as_uuid).collect();
    let found = sqlx::query(sql.existing.clone()).bind(wanted).fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    let mut found: HashMap<EventId, Existing> = found.iter().map(existing).collect::<Result<_, _>>()?;
    Ok(ids.iter().map(|id| (*id, found.remove(id))).collect())
}

/// The rules and the database see the same heads under the same lock; that they differ is a defect, told as such.
fn disagreed() -> sqlx::Error {
    sqlx::Error::Configuration("the append function refused what was decided under its own lock".into())
}

async fn read_facts(
    connection: &mut PgConnection,
    sql: &Statements,
    group: &[&Waiting],
) -> Result<GroupFacts, sqlx::Error> {
    let mut streams: Vec<&StreamName> = Vec::new();
    let mut ids: Vec<Uuid> = Vec::new();
    for waiting in group {
        streams.extend(waiting.append.events.iter().map(|event| &event.stream));
        streams.extend(waiting.append.conditions.iter().filter_map(condition_stream));
        ids.extend(waiting.append.events.iter().map(|event| event.id.as_uuid()));
    }
    streams.sort_unstable();
    streams.dedup();
    let names: Vec<&str> = streams.iter().map(|stream| stream.as_str()).collect();
    let heads = sqlx::query(sql.heads.clone()).bind(names).fetch_all(&mut *connection).await?;
    let found = sqlx::query(sql.existing.clone()).bind(ids).fetch_all(connection).await?;
    Ok(GroupFacts {
        heads: streams
            .into_iter()
            .zip(&heads)
            .map(|(stream, row)| Ok((stream.clone(), to_version(row.try_get(0)?))))
            .collect::<Result<_, sqlx::Error>>()?,
        existing: found.iter().map(existing).collect::<Result<_, _>>()?,
        in_group: HashSet::new(),
    })
}

fn condition_stream(condition: &Condition) -> Option<&StreamName> {
    match condition {
        Condition::Stream { stream, .. } => Some(stream),
        _ => None,
    }
}

/// Decides one by one, each on what those before it leave.
fn decide_all<'a>(group: &[&'a Waiting], facts: &mut GroupFacts) -> (Vec<Decided>, Vec<&'a Waiting>) {
    let mut accepted: Vec<&Waiting> = Vec::new();
    let mut decided = Vec::with_capacity(group.len());
    for waiting in group {
        let append = &waiting.append;
        decided.push(match decide(append, facts) {
            Decision::Refuse(error) => Decided::Done(Err(error)),
            Decision::Repeated(_) if append.events.iter().any(|event| facts.in_group.contains(&event.id)) => {
                Decided::RepeatsGroup
            }
            Decision::Repeated(appended) => Decided::Done(Ok(appended)),
            Decision::Write(versions) => {
                facts.add(append, &versions);
                accepted.push(waiting);
                Decided::Written(accepted.len() - 1)
            }
        });
    }
    (decided, accepted)
}
