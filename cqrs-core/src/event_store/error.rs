//! What a caller of the event store has to decide on.

use super::query::{EventQuery, InvalidQuery};
use crate::claim::ClaimKey;
use crate::failure::Failure;
use crate::id::EventId;
use crate::name::StreamName;
use crate::stream::{ExpectedVersion, GlobalPosition, Version};

/// Why an append wrote nothing, or why it is not known whether it did.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A stream is not as expected. Nothing was written: load again and decide again.
    #[error("{stream} is at {}, but {expected} was expected", describe(*.actual))]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// What was expected of it.
        expected: ExpectedVersion,
        /// Its newest version, `None` when it has no event.
        actual: Option<Version>,
    },
    /// A unique key that the append takes, or on the condition that nobody has it, is held by another stream. Nothing was
    /// written, and the same append is refused until an event of the holder releases the key.
    #[error("{key} is held by {holder}")]
    Claimed {
        /// The key.
        key: ClaimKey,
        /// The stream that holds it.
        holder: StreamName,
    },
    /// An event matches a query of which the append expects [nothing new](super::Condition::NoneMatching). Nothing was
    /// written: read again and decide again.
    #[error("the event at position {position} matches what was to have no new events")]
    Matched {
        /// The query.
        query: EventQuery,
        /// The position of the first such event.
        position: GlobalPosition,
    },
    /// An event id is in the log already, but as another event or elsewhere. Nothing was written.
    #[error("event id {id} is in use: version {version} of {stream}")]
    EventIdReused {
        /// The event id.
        id: EventId,
        /// The stream of the event that has it.
        stream: StreamName,
        /// The version of that event.
        version: Version,
    },
    /// A stream is archived. Nothing was written, nor will be until it is [restored](crate::StreamFactsStore::restore):
    /// readers that skip archived streams would miss it.
    #[error("{stream} is archived")]
    Archived {
        /// The stream.
        stream: StreamName,
    },
    /// The append is malformed. Nothing was written.
    #[error("invalid append")]
    Invalid(#[from] InvalidAppend),
    /// It was sent, and no answer came in time: ask [`outcome`](super::EventStore::outcome) or append the same again.
    #[error("no answer came; the append may or may not have been written")]
    Unknown {
        /// The ids of the append's events.
        event_ids: Vec<EventId>,
        /// Why there was no answer.
        source: Failure,
    },
    /// The store cannot be reached or is overloaded. Certainly nothing was written: try again later.
    #[error("the event store is unavailable")]
    Transient(#[source] Failure),
    /// It cannot succeed as it is. Nothing was written.
    #[error("the event store refused the append")]
    Permanent(#[source] Failure),
}

/// Why an append is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAppend {
    /// It holds no event.
    #[error("an append holds at least one event")]
    Empty,
    /// It holds too many events.
    #[error("{count} events in one append, {limit} at most")]
    TooManyEvents {
        /// How many it holds.
        count: usize,
        /// How many it may hold.
        limit: usize,
    },
    /// Two of its events have the same id.
    #[error("event id {id} stands twice in the append")]
    RepeatedEventId {
        /// The id.
        id: EventId,
    },
    /// Two of its conditions speak of the same stream.
    #[error("two conditions on {stream}")]
    RepeatedCondition {
        /// The stream.
        stream: StreamName,
    },
    /// Two streams take the same key.
    #[error("{key} is taken for {} and for {}", streams[0], streams[1])]
    RepeatedClaim {
        /// The key.
        key: ClaimKey,
        /// The streams, in the order of the events.
        streams: [StreamName; 2],
    },
    /// A condition has a query that no store can answer.
    #[error("invalid query")]
    Query(#[from] InvalidQuery),
    /// An event is too large.
    #[error("event {id} has {bytes} bytes, {limit} at most")]
    TooLarge {
        /// The event.
        id: EventId,
        /// Its bytes of payload and metadata.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// A payload cannot be kept.
    #[error("the payload of event {id} is refused: {reason}")]
    Payload {
        /// The event.
        id: EventId,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Metadata cannot be kept.
    #[error("the metadata of event {id} is refused: {reason}")]
    Metadata {
        /// The event.
        id: EventId,
        /// The rule that it breaks.
        reason: &'static str,
    },
}

/// Why the store could not be read, or a snapshot or checkpoint not be kept.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or is overloaded: try again later.
    #[error("the store is unavailable")]
    Transient(#[source] Failure),
    /// It cannot succeed as it is.
    #[error("the store refused")]
    Permanent(#[source] Failure),
    /// What it holds is not what it may hold.
    #[error("the store holds something it cannot hold: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// A newer owner has taken over; this one must stop.
    #[error("fenced: token {stored} is newer than {offered}")]
    Fenced {
        /// The token that is stored.
        stored: u64,
        /// The token that was offered.
        offered: u64,
    },
}

impl From<InvalidQuery> for StoreError {
    fn from(error: InvalidQuery) -> Self {
        Self::Permanent(Failure::new(error))
    }
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}

fn describe(actual: Option<Version>) -> String {
    actual.map_or_else(|| "no event".to_owned(), |version| format!("version {version}"))
}
