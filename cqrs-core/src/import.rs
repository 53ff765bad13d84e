//! History that was recorded elsewhere, taken in as it was recorded: the port, and its rules.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use async_trait::async_trait;

use crate::claim::{ClaimChange, ClaimChanges, ClaimKey, Claims};
use crate::event_store::{Head, InvalidAppend, Limits, StoreError};
use crate::id::EventId;
use crate::name::StreamName;
use crate::recorded_event::RecordedEvent;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// Takes in events with the positions, versions and recorded times that they have: for those who move from another store,
/// and for restoring what was exported.
///
/// # Contract
/// - **Atomic**: a call takes in all of its events or none.
/// - **At the end**: imported events lie after everything in the log, in position and in recorded time, and not beyond the
///   store's clock. What readers have seen stays as it was.
/// - **Exact**: every field comes back byte for byte, and the unique keys that the events take are held from then on.
/// - **Repeatable**: events that were imported before, as a whole call, are left as they are.
#[async_trait]
pub trait ImportEvents: Send + Sync + Debug + 'static {
    /// Takes in events, in the order of their positions. Some 10,000 at a time are a good measure.
    ///
    /// # Errors
    /// See [`ImportError`]; nothing was written, but for [`ImportError::Unknown`].
    async fn import(&self, events: Vec<RecordedEvent>) -> Result<Imported, ImportError>;
}

/// What an import came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Events that were written.
    pub written: usize,
    /// Events that had been imported before.
    pub repeated: usize,
}

/// The highest position that is taken in: half of all are left for what is appended later.
const HIGHEST: GlobalPosition = GlobalPosition::new(1 << 62);

/// Why events were not taken in.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A position does not lie after the one before it.
    #[error("event {id} has position {position}, which is not after {previous}")]
    Position {
        /// The event.
        id: EventId,
        /// Its position.
        position: GlobalPosition,
        /// The position before it, in the events or in the log.
        previous: GlobalPosition,
    },
    /// A position leaves too little room for the events to come.
    #[error("event {id} has position {position}, which is above {HIGHEST}")]
    TooHigh {
        /// The event.
        id: EventId,
        /// Its position.
        position: GlobalPosition,
    },
    /// A version is not the next one of its stream.
    #[error("event {id} has version {version} of {stream}, but the next one is {expected}")]
    Version {
        /// The event.
        id: EventId,
        /// Its stream.
        stream: StreamName,
        /// Its version.
        version: Version,
        /// The version that comes next in its stream.
        expected: Version,
    },
    /// A recorded time lies before the one before it, or beyond the store's clock.
    #[error("event {id} was recorded at {recorded_at}, which is not within {earliest} and {latest}")]
    RecordedAt {
        /// The event.
        id: EventId,
        /// When it was recorded.
        recorded_at: Timestamp,
        /// The recorded time before it, in the events or in the log.
        earliest: Timestamp,
        /// The store's clock.
        latest: Timestamp,
    },
    /// An event id is in the log already, as another event.
    #[error("event id {id} is in use")]
    EventIdReused {
        /// The event id.
        id: EventId,
    },
    /// An event takes a unique key that another stream holds.
    #[error("event {id} takes {key}, which is held by {holder}")]
    Claimed {
        /// The event.
        id: EventId,
        /// The key.
        key: ClaimKey,
        /// The stream that holds it, by the log or an event before.
        holder: StreamName,
    },
    /// A stream is archived.
    #[error("event {id} belongs to {stream}, which is archived")]
    Archived {
        /// The event.
        id: EventId,
        /// The stream.
        stream: StreamName,
    },
    /// An event cannot be kept.
    #[error("invalid event")]
    Invalid(#[from] InvalidAppend),
    /// It was sent, and no answer came: importing the same again finds out.
    #[error("no answer came; the events may or may not have been taken in")]
    Unknown(#[source] StoreError),
    /// The store could not be read or written. Nothing was taken in.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the log says at the moment of an import.
#[derive(Debug, Clone)]
pub struct ImportFacts {
    /// The newest end of the log.
    pub head: Head,
    /// The store's clock.
    pub clock: Timestamp,
    /// The newest version of each stream that is imported to.
    pub heads: HashMap<StreamName, Option<Version>>,
    /// Those of them that are archived.
    pub archived: HashSet<StreamName>,
    /// The streams that hold the [keys](claimed_keys) of the events.
    pub claims: HashMap<ClaimKey, StreamName>,
}

/// The unique keys that events take and release, each once. An event whose metadata cannot be decoded has none:
/// [`check_import`] refuses it.
#[must_use]
pub fn claimed_keys(events: &[RecordedEvent]) -> Vec<ClaimKey> {
    let claims: Vec<Claims> = events.iter().filter_map(|event| event.claims().ok()).collect();
    let mut keys: Vec<ClaimKey> = claims.iter().flat_map(Claims::keys).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Checks events against the rules of an import, and where the log ends. Every store does so under its append lock, and
/// writes what is answered with the events: what they change of the claims, each key once.
///
/// # Errors
/// [`ImportError`] names the first event that breaks a rule.
pub fn check_import(
    events: &[RecordedEvent],
    facts: &ImportFacts,
    limits: &Limits,
) -> Result<Vec<ClaimChange>, ImportError> {
    let mut previous = facts.head.position;
    let mut earliest = facts.head.recorded_at.unwrap_or(Timestamp::MIN);
    let mut heads: HashMap<&StreamName, Option<Version>> = HashMap::new();
    let mut ids = HashSet::with_capacity(events.len());
    let mut changes = ClaimChanges::default();
    for event in events {
        let id = event.id;
        if !ids.insert(id) {
            return Err(ImportError::EventIdReused { id });
        }
        let metadata = limits.check_recorded(event)?;
        if event.position > HIGHEST {
            return Err(ImportError::TooHigh { id, position: event.position });
        }
        if event.position <= previous {
            return Err(ImportError::Position { id, position: event.position, previous });
        }
        if event.recorded_at < earliest || event.recorded_at > facts.clock {
            let recorded_at = event.recorded_at;
            return Err(ImportError::RecordedAt { id, recorded_at, earliest, latest: facts.clock });
        }
        if facts.archived.contains(&event.stream) {
            return Err(ImportError::Archived { id, stream: event.stream.clone() });
        }
        let known = || facts.heads.get(&event.stream).copied().flatten();
        let head = heads.entry(&event.stream).or_insert_with(known);
        let expected = Version::after(*head);
        if event.version != expected {
            return Err(ImportError::Version { id, stream: event.stream.clone(), version: event.version, expected });
        }
        *head = Some(event.version);
        let held = |key: &ClaimKey| facts.claims.get(key).cloned();
        let added = changes.add(&event.stream, &metadata.claims, event.position, held);
        added.map_err(|(key, holder)| ImportError::Claimed { id, key, holder })?;
        (previous, earliest) = (event.position, event.recorded_at);
    }
    Ok(changes.into_changes())
}
