//! The rules of an append, pure: what every store answers, whatever it keeps its events in.

use std::collections::HashMap;

use super::append::{Append, Appended, Condition, NewEvent};
use super::error::AppendError;
use super::query::EventQuery;
use crate::claim::{ClaimChanges, ClaimKey};
use crate::codec::Payload;
use crate::id::EventId;
use crate::name::{EventType, StreamName};
use crate::stream::{ExpectedVersion, GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// What the log says at the moment of the decision.
pub trait Facts {
    /// The newest version of a stream, `None` when it has no event.
    fn head(&self, stream: &StreamName) -> Option<Version>;
    /// The event with this id, where there is one.
    fn existing(&self, id: EventId) -> Option<Existing>;
    /// The stream that holds a unique key.
    fn claim(&self, key: &ClaimKey) -> Option<StreamName>;
    /// The position of the first event after `after` that matches a query.
    fn first_matching(&self, query: &EventQuery, after: GlobalPosition) -> Option<GlobalPosition>;
    /// Whether a stream is archived.
    fn is_archived(&self, stream: &StreamName) -> bool;
}

/// An event that is in the log, as far as the decision needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its stream.
    pub stream: StreamName,
    /// Its version.
    pub version: Version,
    /// Its position.
    pub position: GlobalPosition,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its type.
    pub event_type: EventType,
    /// Its payload.
    pub payload: Payload,
}

impl Existing {
    /// What became of an append, from what the log says of its ids: see [`EventStore::outcome`](super::EventStore::outcome).
    ///
    /// # Errors
    /// [`AppendError::EventIdReused`] when only some of the ids are in the log.
    pub fn outcome(ids: impl IntoIterator<Item = (EventId, Option<Self>)>) -> Result<Option<Appended>, AppendError> {
        let (mut found, mut missing) = (Vec::new(), false);
        for (id, existing) in ids {
            match existing {
                Some(existing) => found.push((id, existing)),
                None => missing = true,
            }
        }
        match (found.first(), found.last()) {
            (Some((id, first)), _) if missing => Err(reused(*id, first)),
            (Some((_, first)), Some((_, last))) => Ok(Some(Appended {
                first_position: first.position,
                position: last.position,
                versions: found.iter().map(|(_, existing)| existing.version).collect(),
                recorded_at: first.recorded_at,
                repeated: true,
            })),
            _ => Ok(None),
        }
    }
}

/// What is to be done with an append.
#[derive(Debug, Clone)]
pub enum Decision {
    /// Write it, with these versions in order.
    Write(Vec<Version>),
    /// It was written before: answer with where it stands.
    Repeated(Appended),
    /// Refuse it.
    Refuse(AppendError),
}

/// Decides an append that passed [`Append::check`].
///
/// An event id is unique in the store, which makes an append repeatable:
///
/// | in the store | append again | outcome |
/// |-|-|-|
/// | e0..e5, appended expecting no stream | e0, or e0..e5, expecting no stream, or any | success with the first positions, nothing written |
/// | e0, e1 | e1 expecting the version of e0 | success with the first position |
/// | e0, e1 | e0, e1, e2 expecting no stream | conflict |
/// | e0..e5 | e0 expecting the version of e5 | event id reused |
/// | e0..e5 | e6, e0 in one append, whatever is expected | event id reused |
/// | e0..e5 | e0 expecting one beyond the end | conflict |
/// | e0 in stream a | e0 to stream b; or to a with another type or payload | event id reused |
///
/// So: ids that are in the log must be the same events, a prefix of the append, one after the other in each stream. When all
/// are there and stand where the condition puts them, it is a repetition. Otherwise a condition that does not hold is a
/// conflict, and one that does would write an id twice.
///
/// New events for an archived stream are refused, whatever is expected of it; a repetition succeeds there too.
///
/// Unique keys come last, when the append would be written: its events take and release them one after the other, see
/// [`Claims`](crate::Claims). What was written once is a repetition, whoever holds its keys by now.
pub fn decide(append: &Append, facts: &impl Facts) -> Decision {
    match repetition(append, facts) {
        Err(error) => Decision::Refuse(error),
        Ok(Some(appended)) => Decision::Repeated(appended),
        Ok(None) => match archived(append, facts).or_else(|| conflict(append, facts)) {
            Some(error) => Decision::Refuse(error),
            None => match claimed(append, facts) {
                Some(error) => Decision::Refuse(error),
                None => Decision::Write(versions(append, facts)),
            },
        },
    }
}

/// Told before a conflict, which would only be met again.
fn archived(append: &Append, facts: &impl Facts) -> Option<AppendError> {
    let archived = append.events.iter().find(|event| facts.is_archived(&event.stream));
    archived.map(|event| AppendError::Archived { stream: event.stream.clone() })
}

fn conflict(append: &Append, facts: &impl Facts) -> Option<AppendError> {
    append.conditions.iter().find_map(|condition| match condition {
        Condition::Stream { stream, expected } => {
            let actual = facts.head(stream);
            let conflict = || AppendError::Conflict { stream: stream.clone(), expected: *expected, actual };
            (!expected.holds(actual)).then(conflict)
        }
        Condition::Unclaimed { key } => {
            facts.claim(key).map(|holder| AppendError::Claimed { key: key.clone(), holder })
        }
        Condition::NoneMatching { query, after } => {
            let matched = facts.first_matching(query, *after);
            matched.map(|position| AppendError::Matched { query: query.clone(), position })
        }
    })
}

/// The first key that an event takes though another stream holds it then.
fn claimed(append: &Append, facts: &impl Facts) -> Option<AppendError> {
    let mut changes = ClaimChanges::default();
    append.events.iter().find_map(|event| {
        let added = changes.add(&event.stream, &event.claims, GlobalPosition::START, |key| facts.claim(key));
        added.err().map(|(key, holder)| AppendError::Claimed { key, holder })
    })
}

fn versions(append: &Append, facts: &impl Facts) -> Vec<Version> {
    let mut heads = HashMap::new();
    append
        .events
        .iter()
        .map(|event| {
            let head = heads.entry(&event.stream).or_insert_with(|| facts.head(&event.stream));
            let version = Version::after(*head);
            *head = Some(version);
            version
        })
        .collect()
}

fn repetition(append: &Append, facts: &impl Facts) -> Result<Option<Appended>, AppendError> {
    let found: Vec<_> = append.events.iter().map(|event| facts.existing(event.id)).collect();
    let Some((first_id, first)) =
        append.events.iter().zip(&found).find_map(|(event, existing)| Some((event.id, existing.as_ref()?)))
    else {
        return Ok(None);
    };
    let prefix: Vec<&Existing> = found.iter().map_while(Option::as_ref).collect();
    let known = found.iter().flatten().count();
    for (event, existing) in append.events.iter().zip(&found) {
        if let Some(existing) = existing
            && (prefix.len() < known || !same(event, existing))
        {
            return Err(reused(event.id, existing));
        }
    }
    check_order(append, &prefix)?;
    let placed = starts(append, &prefix).all(|(stream, start)| starts_where_expected(start, append.expected(stream)));
    if prefix.len() == append.events.len() && placed {
        return Ok(Some(Appended {
            first_position: prefix[0].position,
            position: prefix[prefix.len() - 1].position,
            versions: prefix.iter().map(|existing| existing.version).collect(),
            recorded_at: prefix[0].recorded_at,
            repeated: true,
        }));
    }
    Err(conflict(append, facts).unwrap_or_else(|| reused(first_id, first)))
}

fn same(event: &NewEvent, existing: &Existing) -> bool {
    event.stream == existing.stream && event.event_type == existing.event_type && event.payload == existing.payload
}

fn reused(id: EventId, existing: &Existing) -> AppendError {
    AppendError::EventIdReused { id, stream: existing.stream.clone(), version: existing.version }
}

/// The events of each stream must follow each other as they did when they were written.
fn check_order(append: &Append, prefix: &[&Existing]) -> Result<(), AppendError> {
    let mut heads: HashMap<&StreamName, Version> = HashMap::new();
    for (event, existing) in append.events.iter().zip(prefix) {
        if let Some(before) = heads.insert(&event.stream, existing.version)
            && existing.version != before.next()
        {
            return Err(reused(event.id, existing));
        }
    }
    Ok(())
}

/// Each stream of the append with the version at which its first event stands.
fn starts<'a>(append: &'a Append, prefix: &'a [&Existing]) -> impl Iterator<Item = (&'a StreamName, Version)> {
    append.events.iter().zip(prefix).enumerate().filter_map(|(index, (event, existing))| {
        let earlier = append.events[..index].iter().any(|before| before.stream == event.stream);
        (!earlier).then_some((&event.stream, existing.version))
    })
}

fn starts_where_expected(start: Version, expected: ExpectedVersion) -> bool {
    match expected {
        ExpectedVersion::Any => true,
        ExpectedVersion::NoStream | ExpectedVersion::StreamExists | ExpectedVersion::Exact(_) => {
            expected.holds(start.previous())
        }
    }
}
