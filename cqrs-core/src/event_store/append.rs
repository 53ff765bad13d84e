//! What is appended, on which conditions, and what came of it.

use std::collections::HashSet;

use super::error::InvalidAppend;
use super::limits::Limits;
use crate::codec::{CodecError, Payload};
use crate::event::DomainEvent;
use crate::id::{AppendId, EventId};
use crate::metadata::Metadata;
use crate::name::{EventType, StreamName};
use crate::stream::{ExpectedVersion, GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// An event that is to be appended to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Unique within the store. Give the same event the same id again, and it is written once.
    pub id: EventId,
    /// The stream to append to.
    pub stream: StreamName,
    /// What happened, and in which schema version.
    pub event_type: EventType,
    /// The event's fields as JSON.
    pub payload: Payload,
    /// Who, why, and what led to it.
    pub metadata: Metadata,
    /// When it happened, where that is not now.
    pub occurred_at: Option<Timestamp>,
}

impl NewEvent {
    /// Encodes a typed event under a new id.
    ///
    /// # Errors
    /// As [`DomainEvent::encode`].
    pub fn encode<E: DomainEvent>(stream: StreamName, event: &E) -> Result<Self, CodecError> {
        Ok(Self::raw(stream, EventType::from_static(event.event_type()), event.encode()?))
    }

    /// An event with these bytes as payload, under a new id.
    #[must_use]
    pub fn raw(stream: StreamName, event_type: EventType, payload: Payload) -> Self {
        Self { id: EventId::new(), stream, event_type, payload, metadata: Metadata::default(), occurred_at: None }
    }

    /// The same event under this id.
    #[must_use]
    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = id;
        self
    }

    /// The same event with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The same event, happened at this time.
    #[must_use]
    pub fn occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }
}

/// What must hold at the moment of the append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// A stream, written to or not, is as expected.
    Stream {
        /// The stream.
        stream: StreamName,
        /// What is expected of it.
        expected: ExpectedVersion,
    },
}

/// Events that are written together or not at all, to one stream or several, on conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Identifies the append; each of its events carries it.
    pub id: AppendId,
    /// The events, in order.
    pub events: Vec<NewEvent>,
    /// What must hold. A stream without a condition may be as it is ([`ExpectedVersion::Any`]).
    pub conditions: Vec<Condition>,
}

impl Append {
    /// An append without conditions.
    #[must_use]
    pub fn new(events: Vec<NewEvent>) -> Self {
        Self { id: AppendId::new(), events, conditions: Vec::new() }
    }

    /// The same append, on the condition that `stream` is as expected.
    #[must_use]
    pub fn expect(mut self, stream: StreamName, expected: ExpectedVersion) -> Self {
        self.conditions.push(Condition::Stream { stream, expected });
        self
    }

    /// The ids of the events, in order.
    #[must_use]
    pub fn event_ids(&self) -> Vec<EventId> {
        self.events.iter().map(|event| event.id).collect()
    }

    /// What is expected of `stream`.
    #[must_use]
    pub fn expected(&self, stream: &StreamName) -> ExpectedVersion {
        self.conditions
            .iter()
            .find_map(|condition| match condition {
                Condition::Stream { stream: of, expected } if of == stream => Some(*expected),
                Condition::Stream { .. } => None,
            })
            .unwrap_or(ExpectedVersion::Any)
    }

    /// Checks what can be checked without the log. Every store does so before anything else.
    ///
    /// # Errors
    /// [`InvalidAppend`] says which event breaks which rule.
    pub fn check(&self, limits: &Limits) -> Result<(), InvalidAppend> {
        if self.events.is_empty() {
            return Err(InvalidAppend::Empty);
        }
        if self.events.len() > limits.events_per_append {
            return Err(InvalidAppend::TooManyEvents { count: self.events.len(), limit: limits.events_per_append });
        }
        let mut ids = HashSet::with_capacity(self.events.len());
        for event in &self.events {
            if !ids.insert(event.id) {
                return Err(InvalidAppend::RepeatedEventId { id: event.id });
            }
            limits.check(event)?;
        }
        let mut streams = HashSet::with_capacity(self.conditions.len());
        for Condition::Stream { stream, .. } in &self.conditions {
            if !streams.insert(stream) {
                return Err(InvalidAppend::RepeatedCondition { stream: stream.clone() });
            }
        }
        Ok(())
    }
}

/// Where the events of an append stand in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first event.
    pub first_position: GlobalPosition,
    /// The position of the last event: wait for it to read your own write.
    pub position: GlobalPosition,
    /// The version of each event in its stream, in order.
    pub versions: Vec<Version>,
    /// When the store committed them.
    pub recorded_at: Timestamp,
    /// Whether they had been written before, and this append wrote nothing.
    pub repeated: bool,
}

impl Appended {
    /// The version of the last event.
    #[must_use]
    pub fn version(&self) -> Version {
        self.versions.last().copied().unwrap_or(Version::FIRST)
    }
}
