//! What is appended, on which conditions, and what came of it.

use std::collections::HashSet;

use super::error::{AppendError, InvalidAppend};
use super::limits::Limits;
use super::query::EventQuery;
use crate::claim::{ClaimChanges, ClaimKey, Claims};
use crate::codec::{CodecError, Payload};
use crate::event::DomainEvent;
use crate::failure::Failure;
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
    /// The unique keys that its stream takes and releases by it.
    pub claims: Claims,
}

impl NewEvent {
    /// Encodes a typed event under a new id, with its tags, the persons whose data it holds, and the keys that it claims and
    /// releases.
    ///
    /// # Errors
    /// As [`DomainEvent::encode`]; [`CodecError::Claim`] as [`DomainEvent::claims`].
    pub fn encode<E: DomainEvent>(stream: StreamName, event: &E) -> Result<Self, CodecError> {
        let encoded = Self::raw(stream, EventType::from_static(event.event_type()), event.encode()?);
        let (tags, data_subjects) = (event.tags(), event.data_subjects());
        let metadata = Metadata { tags, data_subjects, ..Metadata::default() };
        Ok(Self { claims: event.claims()?, ..encoded }.with_metadata(metadata))
    }

    /// An event with these bytes as payload, under a new id.
    #[must_use]
    pub fn raw(stream: StreamName, event_type: EventType, payload: Payload) -> Self {
        Self {
            id: EventId::new(),
            stream,
            event_type,
            payload,
            metadata: Metadata::default(),
            occurred_at: None,
            claims: Claims::default(),
        }
    }

    /// The same event under this id.
    #[must_use]
    pub fn with_id(mut self, id: EventId) -> Self {
        self.id = id;
        self
    }

    /// The same event with this metadata. The tags and data subjects that it has already stay, before those that the metadata
    /// adds.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        let own = std::mem::replace(&mut self.metadata, metadata);
        self.metadata.tags = joined(own.tags, std::mem::take(&mut self.metadata.tags));
        self.metadata.data_subjects = joined(own.data_subjects, std::mem::take(&mut self.metadata.data_subjects));
        self
    }

    /// The same event, happened at this time.
    #[must_use]
    pub fn occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// The same event, which takes a unique key for its stream: see [`Claims`].
    ///
    /// ```
    /// # use cqrs_core::{EventType, InvalidName, Payload};
    /// use cqrs_core::in_memory::InMemoryEventStore;
    /// use cqrs_core::{Append, AppendError, ClaimKey, EventStore, NewEvent, StreamName};
    ///
    /// # fn event(stream: &str) -> Result<NewEvent, InvalidName> {
    /// #     Ok(NewEvent::raw(StreamName::new(stream)?, EventType::new("user.signed_up.v1")?, Payload::from_bytes("{}")))
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = InMemoryEventStore::new();
    /// let email = ClaimKey::new("email", "ann@example.com")?;
    /// store.append(Append::new(vec![event("user-1")?.claiming(email.clone())])).await?;
    ///
    /// let refused = store.append(Append::new(vec![event("user-2")?.claiming(email.clone())])).await;
    /// assert!(matches!(refused, Err(AppendError::Claimed { key, holder }) if key == email && holder.as_str() == "user-1"));
    ///
    /// store.append(Append::new(vec![event("user-1")?.releasing(email.clone())])).await?;
    /// store.append(Append::new(vec![event("user-2")?.claiming(email)])).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn claiming(mut self, key: ClaimKey) -> Self {
        self.claims.taken.push(key);
        self
    }

    /// The same event, which releases a unique key that its stream holds: see [`Claims`].
    #[must_use]
    pub fn releasing(mut self, key: ClaimKey) -> Self {
        self.claims.released.push(key);
        self
    }

    /// The metadata as it is recorded: with what the store sets.
    pub(crate) fn recorded_metadata(&self, append: AppendId) -> Result<Payload, AppendError> {
        let mut metadata = self.metadata.clone();
        metadata.append_id = Some(append);
        metadata.claims = self.claims.clone();
        Payload::encode(&metadata).map_err(|error| AppendError::Permanent(Failure::new(error)))
    }
}

/// The words of an event, and those of the added ones that are not among them.
fn joined(mut own: Vec<String>, mut added: Vec<String>) -> Vec<String> {
    added.retain(|word| !own.contains(word));
    own.append(&mut added);
    own
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
    /// No stream holds a unique key, not even one that the append writes to. An append that takes the key needs no such
    /// condition.
    Unclaimed {
        /// The key.
        key: ClaimKey,
    },
    /// No event that matches a query lies after a position, those of archived streams and from before a truncation included.
    NoneMatching {
        /// The query.
        query: EventQuery,
        /// The position up to which matching events are known; [`GlobalPosition::START`] when there must be none at all.
        after: GlobalPosition,
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

    /// The same append, on the condition that no stream holds `key`.
    #[must_use]
    pub fn expect_unclaimed(mut self, key: ClaimKey) -> Self {
        self.conditions.push(Condition::Unclaimed { key });
        self
    }

    /// The same append, on the condition that no event after `after` matches `query`: what a decision rests on is as it was
    /// found, also when nothing was found. Events of appends that touch no such events are never in the way.
    ///
    /// `after` is how far the log was read: [`LogPage::scanned_to`](crate::LogPage::scanned_to) of the last page, and not the
    /// position of the last event that matched. The append's own events may match.
    ///
    /// ```
    /// # use cqrs_core::{EventType, InvalidName, Metadata, NewEvent, Payload, StreamName};
    /// use cqrs_core::in_memory::InMemoryEventStore;
    /// use cqrs_core::{Append, AppendError, EventQuery, EventStore, Filter, GlobalPosition, QueryItem, ReadAll};
    ///
    /// # fn seat_taken() -> Result<NewEvent, InvalidName> {
    /// #     let mut metadata = Metadata::default();
    /// #     metadata.tags.push("seat:7".to_owned());
    /// #     let event_type = EventType::new("seat.taken.v1")?;
    /// #     Ok(NewEvent::raw(StreamName::new("hall-1")?, event_type, Payload::from_bytes("{}")).with_metadata(metadata))
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = InMemoryEventStore::new();
    /// let seat = EventQuery::from(QueryItem::new().tag("seat:7"));
    /// let page = store.read_all(ReadAll::after(GlobalPosition::START).filter(Filter::Query(seat.clone()))).await?;
    /// assert!(page.events.is_empty());
    ///
    /// let take = || Ok::<_, InvalidName>(Append::new(vec![seat_taken()?]).expect_none_matching(seat.clone(), page.scanned_to));
    /// store.append(take()?).await?;
    /// let refused = store.append(take()?).await;
    /// assert!(matches!(refused, Err(AppendError::Matched { position, .. }) if position.get() == 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn expect_none_matching(mut self, query: EventQuery, after: GlobalPosition) -> Self {
        self.conditions.push(Condition::NoneMatching { query, after });
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
                Condition::Stream { .. } | Condition::Unclaimed { .. } | Condition::NoneMatching { .. } => None,
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
        for condition in &self.conditions {
            match condition {
                Condition::Stream { stream, .. } if !streams.insert(stream) => {
                    return Err(InvalidAppend::RepeatedCondition { stream: stream.clone() });
                }
                Condition::NoneMatching { query, .. } => query.check()?,
                Condition::Stream { .. } | Condition::Unclaimed { .. } => {}
            }
        }
        self.check_claims()
    }

    /// Two streams cannot hold a key, whatever the log says of it.
    fn check_claims(&self) -> Result<(), InvalidAppend> {
        let mut changes = ClaimChanges::default();
        for event in &self.events {
            changes.add(&event.stream, &event.claims, GlobalPosition::START, |_| None).map_err(|(key, holder)| {
                InvalidAppend::RepeatedClaim { key, streams: [holder, event.stream.clone()] }
            })?;
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
