//! The appends of a group, each decided by the rules on what the log says and what those before it leave.

use std::collections::{HashMap, HashSet};

use super::Outcome;
use crate::claim::{ClaimChange, ClaimChanges, ClaimKey};
use crate::event_store::{
    Append, AppendError, Appended, Condition, Decision, EventQuery, Existing, Facts, QueryIndex, decide,
};
use crate::failure::Failure;
use crate::id::EventId;
use crate::name::StreamName;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// What the log is asked about before a group can be decided.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Streams that the group writes to or expects something of, each once.
    pub streams: Vec<&'a StreamName>,
    /// The ids of its events.
    pub ids: Vec<EventId>,
    /// The unique keys that it takes, releases or has conditions on, each once.
    pub claims: Vec<&'a ClaimKey>,
    /// The queries that must match nothing after a position.
    pub queries: Vec<(&'a EventQuery, GlobalPosition)>,
}

impl<'a> Wanted<'a> {
    /// What has to be known of these appends.
    pub fn of(group: impl IntoIterator<Item = &'a Append>) -> Self {
        let mut wanted = Self::default();
        for append in group {
            wanted.streams.extend(append.events.iter().map(|event| &event.stream));
            for condition in &append.conditions {
                match condition {
                    Condition::Stream { stream, .. } => wanted.streams.push(stream),
                    Condition::Unclaimed { key } => wanted.claims.push(key),
                    Condition::NoneMatching { query, after } => wanted.queries.push((query, *after)),
                }
            }
            wanted.claims.extend(append.events.iter().flat_map(|event| event.claims.keys()));
            wanted.ids.extend(append.events.iter().map(|event| event.id));
        }
        wanted.streams.sort_unstable();
        wanted.streams.dedup();
        wanted.claims.sort_unstable();
        wanted.claims.dedup();
        wanted
    }
}

/// What the log says of a group's streams and event ids at the moment of the decision.
#[derive(Debug, Clone, Default)]
pub struct GroupFacts {
    heads: HashMap<StreamName, Version>,
    existing: HashMap<EventId, Existing>,
    archived: HashSet<StreamName>,
    in_group: HashSet<EventId>,
    claims: HashMap<ClaimKey, StreamName>,
    /// By the events of the group; the first of them has position 1.
    changes: ClaimChanges,
    /// Only where something must match nothing.
    queries: Option<QueryFacts>,
}

/// What matches the queries of a group.
#[derive(Debug, Clone)]
struct QueryFacts {
    /// The newest event of the log: those of the group follow it.
    head: GlobalPosition,
    /// In the log.
    first: HashMap<EventQuery, HashMap<GlobalPosition, Option<GlobalPosition>>>,
    /// The events of the group.
    group: QueryIndex,
}

impl GroupFacts {
    /// The newest versions of the streams that have events, and the events whose ids are in the log.
    pub fn new(
        heads: impl IntoIterator<Item = (StreamName, Version)>,
        existing: impl IntoIterator<Item = (EventId, Existing)>,
    ) -> Self {
        let (heads, existing) = (heads.into_iter().collect(), existing.into_iter().collect());
        Self { heads, existing, ..Self::default() }
    }

    /// The same facts, with the streams that hold the wanted [claims](Wanted::claims).
    #[must_use]
    pub fn with_claims(mut self, claims: impl IntoIterator<Item = (ClaimKey, StreamName)>) -> Self {
        self.claims.extend(claims);
        self
    }

    /// The same facts, with the newest position of the log and, for each of the wanted [queries](Wanted::queries), the first
    /// event that matches it after its position. What was not looked up counts as matched.
    #[must_use]
    pub fn with_queries<'a>(
        mut self,
        head: GlobalPosition,
        first: impl IntoIterator<Item = (&'a EventQuery, GlobalPosition, Option<GlobalPosition>)>,
    ) -> Self {
        let mut queries = QueryFacts { head, first: HashMap::new(), group: QueryIndex::default() };
        for (query, after, found) in first {
            queries.first.entry(query.clone()).or_default().insert(after, found);
        }
        self.queries = Some(queries);
        self
    }

    /// The same facts, with those of the streams that are archived.
    #[must_use]
    pub fn archived(mut self, streams: impl IntoIterator<Item = StreamName>) -> Self {
        self.archived.extend(streams);
        self
    }

    /// Decides one by one.
    pub fn decide<'a>(mut self, group: impl IntoIterator<Item = &'a Append>) -> DecidedGroup<'a> {
        let mut decided = Vec::new();
        for append in group {
            decided.push(match decide(append, &self) {
                Decision::Refuse(error) => Decided::Done(Err(error)),
                Decision::Repeated(_) if append.events.iter().any(|event| self.in_group.contains(&event.id)) => {
                    Decided::RepeatsGroup(append)
                }
                Decision::Repeated(appended) => Decided::Done(Ok(appended)),
                Decision::Write(versions) => {
                    self.add(append, &versions);
                    Decided::Written(append, versions)
                }
            });
        }
        DecidedGroup { facts: self, decided }
    }

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
            self.heads.insert(event.stream.clone(), version);
            self.in_group.insert(event.id);
            let position = GlobalPosition::new(self.in_group.len() as u64);
            let logged = |key: &ClaimKey| self.claims.get(key).cloned();
            // Decided: no other stream holds what it takes.
            let _ = self.changes.add(&event.stream, &event.claims, position, logged);
            self.existing.insert(event.id, existing);
            if let Some(queries) = &mut self.queries {
                queries.group.add(&event.event_type, &event.metadata.tags);
            }
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
        self.heads.get(stream).copied()
    }

    fn existing(&self, id: EventId) -> Option<Existing> {
        self.existing.get(&id).cloned()
    }

    fn claim(&self, key: &ClaimKey) -> Option<StreamName> {
        self.changes.holder(key, |key| self.claims.get(key).cloned())
    }

    fn first_matching(&self, query: &EventQuery, after: GlobalPosition) -> Option<GlobalPosition> {
        let known = self.queries.as_ref().and_then(|queries| Some((queries, queries.first.get(query)?.get(&after)?)));
        let Some((queries, in_log)) = known else {
            return Some(after.next());
        };
        in_log.or_else(|| {
            // The first event of the group lies right after the newest one of the log.
            let from = usize::try_from(after.get().saturating_sub(queries.head.get())).unwrap_or(usize::MAX);
            let found = queries.group.matching(query, from).next();
            found.map(|number| GlobalPosition::new(queries.head.get() + 1 + number as u64))
        })
    }

    fn is_archived(&self, stream: &StreamName) -> bool {
        self.archived.contains(stream)
    }
}

/// What is to be done with each append of a group.
#[derive(Debug)]
pub struct DecidedGroup<'a> {
    facts: GroupFacts,
    decided: Vec<Decided<'a>>,
}

/// An append's outcome before the accepted ones are written.
#[derive(Debug)]
enum Decided<'a> {
    Written(&'a Append, Vec<Version>),
    /// It repeats events of the same group, which have no positions yet.
    RepeatsGroup(&'a Append),
    Done(Outcome),
}

impl DecidedGroup<'_> {
    /// The appends to write, in order: the index of each in the group, and the versions of its events.
    pub fn accepted(&self) -> impl Iterator<Item = (usize, &[Version])> {
        self.decided.iter().enumerate().filter_map(|(index, decided)| match decided {
            Decided::Written(_, versions) => Some((index, versions.as_slice())),
            Decided::RepeatsGroup(_) | Decided::Done(_) => None,
        })
    }

    /// What the accepted appends change of the claims, each key once, when their events were written as for
    /// [`outcomes`](Self::outcomes). It is written with them.
    #[must_use]
    pub fn claims(&self, first: GlobalPosition) -> Vec<ClaimChange> {
        let mut changes = self.facts.changes.clone().into_changes();
        for change in &mut changes {
            change.position = GlobalPosition::new(first.get() + change.position.get() - 1);
        }
        changes
    }

    /// The outcome of each append of the group, when the events of the accepted ones were written one after the other from
    /// `first` on. Neither argument matters when none was accepted.
    #[must_use]
    pub fn outcomes(mut self, first: GlobalPosition, recorded_at: Timestamp) -> Vec<Outcome> {
        let mut next = first.get();
        let mut outcomes = Vec::with_capacity(self.decided.len());
        for decided in self.decided {
            outcomes.push(match decided {
                Decided::Done(outcome) => outcome,
                Decided::RepeatsGroup(append) => repeated(append, &self.facts),
                Decided::Written(append, versions) => {
                    let first_position = GlobalPosition::new(next);
                    next += versions.len() as u64;
                    let position = GlobalPosition::new(next).previous();
                    let appended = Appended { first_position, position, versions, recorded_at, repeated: false };
                    self.facts.place(append, &appended);
                    Ok(appended)
                }
            });
        }
        outcomes
    }
}

fn repeated(append: &Append, facts: &GroupFacts) -> Outcome {
    let ids = append.events.iter().map(|event| (event.id, facts.existing(event.id)));
    let gone = || AppendError::Permanent(Failure::new("an append repeats events that are not there"));
    Existing::outcome(ids)?.ok_or_else(gone)
}
