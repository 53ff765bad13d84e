//! Judges a log by the journals of its writers and the observations of its readers: pure, and knows no store.

use std::collections::{HashMap, HashSet};
use std::fmt;

use cqrs_core::{EventId, GlobalPosition, RecordedEvent, StreamName, Timestamp, Version};

use crate::journal::{Fate, Journal, Observation, Place};

mod violation;

pub use violation::Violation;

/// An event of the log, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its id.
    pub id: EventId,
    /// Its stream.
    pub stream: StreamName,
    /// Its place in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: GlobalPosition,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl From<&RecordedEvent> for LoggedEvent {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            id: event.id,
            stream: event.stream.clone(),
            version: event.version,
            position: event.position,
            recorded_at: event.recorded_at,
        }
    }
}

/// All that is known of a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The whole log in the end, in the order in which the store gives it.
    pub log: Vec<LoggedEvent>,
    /// What each writer attempted and was told.
    pub journals: Vec<Journal>,
    /// What each reader was given while the log grew.
    pub observations: Vec<Observation>,
}

/// What the checker found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Events in the log.
    pub events: usize,
    /// Appends that were attempted.
    pub attempted: usize,
    /// Appends that were acknowledged.
    pub acknowledged: usize,
    /// Appends that were said to be not written.
    pub refused: usize,
    /// Appends of which the writer learnt nothing.
    pub open: usize,
    /// Readers that watched.
    pub readers: usize,
    /// Everything that must not be; empty when the store keeps its contract.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// # Panics
    /// When there is a violation; the text lists all of them.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert!(self.violations.is_empty(), "{self}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events in the log; {} appends attempted: {} acknowledged, {} refused, {} open; {} readers; ",
            self.events, self.attempted, self.acknowledged, self.refused, self.open, self.readers
        )?;
        match self.violations.len() {
            0 => f.write_str("sound"),
            count => write!(f, "{count} violations"),
        }?;
        self.violations.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}

/// Finds every violation.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let log = Log::new(&history.log);
    let mut violations = log.order();
    let attempts = || history.journals.iter().flat_map(Journal::attempts);
    violations.extend(log.strangers(attempts().map(|attempt| (&attempt.ids, &attempt.fate))));
    let shared = shared(attempts().map(|attempt| &attempt.ids));
    for attempt in attempts() {
        match &attempt.fate {
            Fate::Acknowledged(place) => violations.extend(log.acknowledged(&attempt.ids, place)),
            // Of events that another append holds too it is not known who wrote them.
            Fate::Open if attempt.ids.iter().any(|id| shared.contains(id)) => {}
            Fate::Open => violations.extend(log.torn(&attempt.ids)),
            Fate::Refused => {}
        }
    }
    for observation in &history.observations {
        violations.extend(log.observed(observation));
    }
    Verdict {
        events: history.log.len(),
        attempted: attempts().count(),
        acknowledged: attempts().filter(|attempt| matches!(attempt.fate, Fate::Acknowledged(_))).count(),
        refused: attempts().filter(|attempt| attempt.fate == Fate::Refused).count(),
        open: attempts().filter(|attempt| attempt.fate == Fate::Open).count(),
        readers: history.observations.len(),
        violations,
    }
}

/// Events that stand in several attempts.
fn shared<'a>(attempts: impl Iterator<Item = &'a Vec<EventId>>) -> HashSet<EventId> {
    let (mut known, mut shared) = (HashSet::new(), HashSet::new());
    for id in attempts.flatten() {
        if !known.insert(*id) {
            shared.insert(*id);
        }
    }
    shared
}

/// The log, with the places of each id.
struct Log<'a> {
    events: &'a [LoggedEvent],
    places: HashMap<EventId, usize>,
    doubled: Vec<Violation>,
}

impl<'a> Log<'a> {
    fn new(events: &'a [LoggedEvent]) -> Self {
        let mut places = HashMap::with_capacity(events.len());
        let mut doubled = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if let Some(first) = places.insert(event.id, index) {
                doubled.push(Violation::Doubled { id: event.id, first: events[first].position, again: event.position });
            }
        }
        Self { events, places, doubled }
    }

    /// Positions, times and versions, by the log alone.
    fn order(&self) -> Vec<Violation> {
        let mut violations = self.doubled.clone();
        for pair in self.events.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            if after.position <= before.position {
                violations.push(Violation::PositionNotIncreasing { before: before.position, after: after.position });
            }
            if after.recorded_at < before.recorded_at {
                violations.push(Violation::ClockWentBack {
                    position: after.position,
                    before: before.recorded_at,
                    after: after.recorded_at,
                });
            }
        }
        let mut heads: HashMap<&StreamName, Version> = HashMap::new();
        for event in self.events {
            let expected = Version::after(heads.insert(&event.stream, event.version));
            if event.version != expected {
                violations.push(Violation::VersionNotDense {
                    stream: event.stream.clone(),
                    expected,
                    found: event.version,
                });
            }
        }
        violations
    }

    /// Events that nobody attempted, or that were said to be not written.
    fn strangers<'b>(&self, attempts: impl Iterator<Item = (&'b Vec<EventId>, &'b Fate)>) -> Vec<Violation> {
        let (mut attempted, mut permitted) = (HashSet::<EventId>::new(), HashSet::<EventId>::new());
        for (ids, fate) in attempts {
            attempted.extend(ids);
            if *fate != Fate::Refused {
                permitted.extend(ids);
            }
        }
        let judge = |event: &LoggedEvent| {
            let (id, position) = (event.id, event.position);
            if !attempted.contains(&id) {
                Some(Violation::NeverAttempted { id, position })
            } else if !permitted.contains(&id) {
                Some(Violation::RefusedButWritten { id, position })
            } else {
                None
            }
        };
        self.events.iter().filter_map(judge).collect()
    }

    fn acknowledged(&self, ids: &[EventId], place: &Place) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut indexes = Vec::with_capacity(ids.len());
        for (id, version) in ids.iter().zip(&place.versions) {
            let Some(&index) = self.places.get(id) else {
                violations.push(Violation::Lost { id: *id });
                continue;
            };
            indexes.push(index);
            let found = self.events[index].version;
            if found != *version {
                violations.push(Violation::AtAnotherVersion { id: *id, acknowledged: *version, found });
            }
        }
        let ends = [(ids.first(), place.first_position), (ids.last(), place.position)];
        for (id, acknowledged) in ends.into_iter().filter_map(|(id, position)| Some((*id?, position))) {
            if let Some(&index) = self.places.get(&id) {
                let found = self.events[index].position;
                if found != acknowledged {
                    violations.push(Violation::AtAnotherPosition { id, acknowledged, found });
                }
            }
        }
        violations.extend(scattered(ids, &indexes));
        violations
    }

    /// Of an append whose writer learnt nothing, all events are there or none.
    fn torn(&self, ids: &[EventId]) -> Option<Violation> {
        let indexes: Vec<usize> = ids.iter().filter_map(|id| self.places.get(id).copied()).collect();
        match indexes.len() {
            0 => None,
            found if found < ids.len() => Some(Violation::Torn { first: ids[0], found, of: ids.len() }),
            _ => scattered(ids, &indexes),
        }
    }

    fn observed(&self, observation: &Observation) -> Vec<Violation> {
        let reader = || observation.reader.clone();
        let mut violations = Vec::new();
        let mut seen = HashSet::with_capacity(observation.seen.len());
        let mut newest = GlobalPosition::START;
        for &(position, id) in &observation.seen {
            if !seen.insert(id) {
                violations.push(Violation::SeenTwice { reader: reader(), id, position });
            } else if position <= newest {
                violations.push(Violation::SeenOutOfOrder { reader: reader(), position, after: newest });
            }
            newest = newest.max(position);
            if self.places.get(&id).is_none_or(|&index| self.events[index].position != position) {
                violations.push(Violation::SeenButNotThere { reader: reader(), id, position });
            }
        }
        let due = self.events.iter().take_while(|event| event.position <= observation.until);
        let skipped = due.filter(|event| !seen.contains(&event.id));
        violations.extend(skipped.map(|event| Violation::Skipped {
            reader: reader(),
            id: event.id,
            position: event.position,
        }));
        violations
    }
}

/// The events of one append follow each other.
fn scattered(ids: &[EventId], indexes: &[usize]) -> Option<Violation> {
    let follows = indexes.windows(2).all(|pair| pair[1] == pair[0] + 1);
    (!follows).then(|| Violation::Scattered { first: ids[0] })
}

#[cfg(test)]
mod tests;
