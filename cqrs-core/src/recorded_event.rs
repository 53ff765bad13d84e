//! Events as the log holds them: raw, and decoded.

use crate::claim::Claims;
use crate::codec::{CodecError, Payload};
use crate::event::{DomainEvent, EventSet};
use crate::id::EventId;
use crate::metadata::Metadata;
use crate::name::{EventType, StreamName};
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// An event as the log holds it. Payload and metadata stay raw bytes until somebody asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Unique within the store.
    pub id: EventId,
    /// What happened, and in which schema version.
    pub event_type: EventType,
    /// The stream it belongs to.
    pub stream: StreamName,
    /// Its place in the stream, from 1.
    pub version: Version,
    /// Its place in the log of the whole store.
    pub position: GlobalPosition,
    /// When the store committed it, by the store's clock: never decreasing along the log.
    pub recorded_at: Timestamp,
    /// When it happened, where the caller said so; it may lie in the past.
    pub occurred_at: Option<Timestamp>,
    /// The event's fields as JSON.
    pub payload: Payload,
    /// The [`Metadata`] as JSON.
    pub metadata: Payload,
}

impl RecordedEvent {
    /// When it happened: the occurred time, else the recorded time.
    #[must_use]
    pub fn happened_at(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.recorded_at)
    }

    /// How many bytes payload and metadata have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.payload.len() + self.metadata.len()
    }

    /// Decodes the metadata.
    ///
    /// # Errors
    /// [`CodecError::Decode`] when the bytes are no metadata.
    pub fn metadata(&self) -> Result<Metadata, CodecError> {
        self.metadata.decode()
    }

    /// The words by which it can be found: a part of its metadata.
    ///
    /// # Errors
    /// [`CodecError::Decode`] when the bytes are no metadata.
    pub fn tags(&self) -> Result<Vec<String>, CodecError> {
        #[derive(serde::Deserialize)]
        struct Part {
            #[serde(default)]
            tags: Vec<String>,
        }
        self.metadata.decode::<Part>().map(|part| part.tags)
    }

    /// The unique keys that it takes and releases: a part of its metadata.
    ///
    /// # Errors
    /// [`CodecError::Decode`] when the bytes are no metadata.
    pub fn claims(&self) -> Result<Claims, CodecError> {
        #[derive(serde::Deserialize)]
        struct Part {
            #[serde(default)]
            claims: Claims,
        }
        self.metadata.decode::<Part>().map(|part| part.claims)
    }

    /// Decodes the payload and appends what it stands for: usually one event; none or several when an upcaster dropped or
    /// split it.
    ///
    /// # Errors
    /// As [`DomainEvent::decode`](crate::DomainEvent::decode).
    pub fn decode<E: EventSet>(&self, into: &mut Vec<E>) -> Result<(), CodecError> {
        E::decode(self.event_type.as_str(), self.payload.as_bytes(), into)
    }

    /// The event as it would be recorded today: its newest types and payloads, everything else as it was recorded; none or
    /// several when an upcaster dropped or split it, which then share their id and their place. So they are for other systems,
    /// and for no [import](crate::ImportEvents).
    ///
    /// # Errors
    /// As [`DomainEvent::decode`] and [`DomainEvent::encode`].
    pub fn upcast<E: DomainEvent>(&self) -> Result<Vec<Self>, CodecError> {
        let mut events: Vec<E> = Vec::with_capacity(1);
        self.decode(&mut events)?;
        let upcast = |event: &E| {
            let event_type = EventType::from_static(event.event_type());
            Ok(Self { event_type, payload: event.encode()?, ..self.clone() })
        };
        events.iter().map(upcast).collect()
    }
}

/// A decoded event together with what the log knows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<E> {
    /// What happened.
    pub event: E,
    /// The event as it was recorded.
    pub raw: RecordedEvent,
}

impl<E> std::ops::Deref for Recorded<E> {
    type Target = RecordedEvent;
    fn deref(&self) -> &RecordedEvent {
        &self.raw
    }
}

impl<E: EventSet> Recorded<E> {
    /// Decodes a page of raw events in order.
    ///
    /// # Errors
    /// [`UndecodableEvent`] names the first event that cannot be decoded.
    pub fn decode_all(page: Vec<RecordedEvent>) -> Result<Vec<Self>, UndecodableEvent> {
        let mut decoded = Vec::with_capacity(page.len());
        let mut events = Vec::new();
        for raw in page {
            Self::decode_into(raw, &mut events, &mut decoded)?;
        }
        Ok(decoded)
    }

    /// Decodes a raw event and appends what it stands for. `events` is empty before and after, and kept for its memory.
    pub(crate) fn decode_into(
        raw: RecordedEvent,
        events: &mut Vec<E>,
        into: &mut Vec<Self>,
    ) -> Result<(), UndecodableEvent> {
        if let Err(source) = raw.decode(events) {
            return Err(UndecodableEvent::new(raw, source));
        }
        let last = events.pop();
        into.extend(events.drain(..).map(|event| Self { event, raw: raw.clone() }));
        into.extend(last.map(|event| Self { event, raw }));
        Ok(())
    }
}

/// An event of the log that cannot be decoded.
#[derive(Debug, Clone, thiserror::Error)]
#[error("event {id} at version {version} of {stream} (position {position}, {event_type}) cannot be decoded")]
#[non_exhaustive]
pub struct UndecodableEvent {
    /// The event.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// Its stream.
    pub stream: StreamName,
    /// Its version.
    pub version: Version,
    /// Its position.
    pub position: GlobalPosition,
    /// Why.
    pub source: CodecError,
}

impl UndecodableEvent {
    /// Names `event` as the one that could not be decoded because of `source`.
    #[must_use]
    pub fn new(event: RecordedEvent, source: CodecError) -> Self {
        Self {
            id: event.id,
            event_type: event.event_type,
            stream: event.stream,
            version: event.version,
            position: event.position,
            source,
        }
    }
}
