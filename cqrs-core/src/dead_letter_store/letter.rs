//! A dead letter: an event, the document that waits for it, and what went wrong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::EventId;
use crate::name::{EventType, StreamName};
use crate::read_model::Target;
use crate::recorded_event::RecordedEvent;
use crate::stream::GlobalPosition;
use crate::timestamp::Timestamp;

/// The longest text of an error or a reason, in characters.
const TEXT: usize = 2_000;

/// Identifies a dead letter: the same for the same target, document and position, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeadLetterId(Uuid);

impl DeadLetterId {
    /// The id of the letter that an event at this position is, for this document or for none.
    #[must_use]
    pub fn of(target: &Target, document: Option<&str>, position: GlobalPosition) -> Self {
        let Target { projection, generation, partition } = target;
        // Neither names nor keys have control characters.
        let document = document.map(|key| format!("\n{key}")).unwrap_or_default();
        let name = format!("{projection}\n{generation}\n{partition}\n{position}{document}");
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()))
    }

    /// Takes an id that came from [`as_uuid`](Self::as_uuid).
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// The UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for DeadLetterId {
    type Err = uuid::Error;
    fn from_str(id: &str) -> Result<Self, uuid::Error> {
        id.parse().map(Self)
    }
}

/// What refused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadLetterCause {
    /// The projector, when it folded the event into the document.
    Projector,
    /// The read model, when it was given the document after the event.
    ReadModel,
    /// What fetches what events lack, when the event was replayed.
    Enrichment,
    /// The projector, when it was given the stored document: it is of another shape.
    Document,
    /// The event itself, when it was decoded.
    Event,
    /// The projector, when it routed the event to documents.
    Routing,
}

impl DeadLetterCause {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Projector, "projector"),
        (Self::ReadModel, "read model"),
        (Self::Enrichment, "enrichment"),
        (Self::Document, "document"),
        (Self::Event, "event"),
        (Self::Routing, "routing"),
    ];

    /// The name by which stores keep it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(cause, _)| *cause == self).map_or("", |(_, name)| name)
    }

    /// The cause of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(cause, _)| *cause)
    }
}

impl fmt::Display for DeadLetterCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What went wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterFailure {
    /// What refused it.
    pub cause: DeadLetterCause,
    /// The error, 2,000 characters of it.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
}

impl DeadLetterFailure {
    /// A failure after so many attempts.
    #[must_use]
    pub fn new(cause: DeadLetterCause, error: &str, attempts: u32) -> Self {
        Self { cause, error: storable(error), attempts }
    }
}

/// A text of bounded length without the character that some databases cannot keep.
pub(super) fn storable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(TEXT).collect()
}

/// The event of a letter. The log has the rest of it, at its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterEvent {
    /// The event.
    pub id: EventId,
    /// Its place in the log.
    pub position: GlobalPosition,
    /// Its type.
    pub event_type: EventType,
    /// Its stream.
    pub stream: StreamName,
}

impl From<&RecordedEvent> for DeadLetterEvent {
    fn from(event: &RecordedEvent) -> Self {
        Self {
            id: event.id,
            position: event.position,
            event_type: event.event_type.clone(),
            stream: event.stream.clone(),
        }
    }
}

/// A letter that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// The document that waits; `None` when the event belongs to none.
    pub document: Option<String>,
    /// The event.
    pub event: DeadLetterEvent,
    /// What went wrong; `None` when it follows another one.
    pub failure: Option<DeadLetterFailure>,
}

/// How a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadLetterState {
    /// Its event has failed, and waits.
    Failed,
    /// Its event follows one that has failed, and waits.
    Following,
    /// It was given up.
    Discarded,
}

impl fmt::Display for DeadLetterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Following => "following",
            Self::Discarded => "discarded",
        })
    }
}

/// Why a letter was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// The reason, 2,000 characters of it.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl Discarded {
    /// Given up at this time.
    #[must_use]
    pub fn new(reason: &str, at: Timestamp) -> Self {
        Self { reason: storable(reason), at }
    }
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its id.
    pub id: DeadLetterId,
    /// Where its document is, or would be.
    pub target: Target,
    /// The document that waits; `None` when the event belongs to none.
    pub document: Option<String>,
    /// The event.
    pub event: DeadLetterEvent,
    /// What went wrong; `None` when it follows another one.
    pub failure: Option<DeadLetterFailure>,
    /// When it was kept first.
    pub first_at: Timestamp,
    /// When its event failed last; as `first_at` when it follows another one.
    pub last_at: Timestamp,
    /// Whether its document is marked for replay.
    pub to_replay: bool,
    /// Whether it was about to be replayed in one write that removes its document.
    pub removing: bool,
    /// That it was given up, and why.
    pub discarded: Option<Discarded>,
}

impl DeadLetter {
    /// A letter that is kept for the first time.
    #[must_use]
    pub fn new(target: &Target, letter: NewDeadLetter, at: Timestamp) -> Self {
        let NewDeadLetter { document, event, failure } = letter;
        Self {
            id: DeadLetterId::of(target, document.as_deref(), event.position),
            target: target.clone(),
            document,
            event,
            failure,
            first_at: at,
            last_at: at,
            to_replay: false,
            removing: false,
            discarded: None,
        }
    }

    /// How it stands.
    #[must_use]
    pub const fn state(&self) -> DeadLetterState {
        match (&self.discarded, &self.failure) {
            (Some(_), _) => DeadLetterState::Discarded,
            (None, Some(_)) => DeadLetterState::Failed,
            (None, None) => DeadLetterState::Following,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint_store::Generation;

    fn id(partition: u16, document: Option<&str>, position: u64) -> DeadLetterId {
        let target = Target { projection: "accounts".parse().unwrap(), generation: Generation::FIRST, partition };
        DeadLetterId::of(&target, document, GlobalPosition::new(position))
    }

    #[test]
    fn the_id_of_a_letter_never_changes() {
        assert_eq!(id(0, Some("ACC-001"), 7).to_string(), "e530fb39-9c96-59d5-9d1d-bae886047c38");
        assert_eq!(id(0, None, 7).to_string(), "cd8e5de8-8aa4-55de-8fad-0b7d82e4a4f5");
    }

    #[test]
    fn letters_that_differ_in_anything_have_ids_of_their_own() {
        let ids = [
            id(0, Some("a"), 7),
            id(0, Some("a"), 8),
            id(1, Some("a"), 7),
            id(0, Some("b"), 7),
            id(0, None, 7),
            id(0, Some(""), 7),
        ];
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn causes_are_found_by_their_names() {
        for (cause, name) in DeadLetterCause::ALL {
            assert_eq!((cause.name(), DeadLetterCause::of_name(name)), (name, Some(cause)));
        }
        assert_eq!(DeadLetterCause::of_name("else"), None);
    }
}
