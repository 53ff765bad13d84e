//! What can stop a projection or hold it up.

use cqrs_core::{
    CodecError, DeadLetterCause, EventId, EventType, GlobalPosition, Lease, ReadModelError, StoreError, StoreId,
    UndecodableEvent, is_lookup,
};

use crate::enrich::EnrichError;
use crate::projector::ProjectError;
use crate::reactor::ReactError;

/// Why a projection cannot go on, for the moment or for good.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// The event store failed.
    #[error("the event store failed")]
    Store(#[source] StoreError),
    /// The read model failed.
    #[error("the read model failed")]
    ReadModel(#[source] ReadModelError),
    /// An event of the log cannot be decoded.
    #[error(transparent)]
    Undecodable(UndecodableEvent),
    /// What an event lacks could not be fetched.
    #[error("the events from position {position} on cannot be enriched")]
    Enrich {
        /// The first of them.
        position: GlobalPosition,
        /// Why not.
        source: EnrichError,
    },
    /// The projector refuses an event.
    #[error("event {event_id} ({event_type}) at position {position} cannot be folded into document {key:?}")]
    Project {
        /// The event.
        event_id: EventId,
        /// Its type.
        event_type: EventType,
        /// Its position.
        position: GlobalPosition,
        /// The document; empty when the event could not be routed.
        key: String,
        /// What the projector said.
        source: ProjectError,
    },
    /// A reactor could do nothing about an event.
    #[error("nothing could be done about event {event_id} ({event_type}) at position {position}")]
    React {
        /// The event.
        event_id: EventId,
        /// Its type.
        event_type: EventType,
        /// Its position.
        position: GlobalPosition,
        /// What the reactor said.
        source: ReactError,
    },
    /// The projector routes an event to something that is no key.
    #[error("event {event_id} at position {position} is routed to {key:?}: {reason}")]
    InvalidKey {
        /// The event.
        event_id: EventId,
        /// Its position.
        position: GlobalPosition,
        /// The refused key, shortened to 80 characters.
        key: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A stored document is not what the projector folds into: rebuild.
    #[error("document {key:?} does not fit the projector")]
    Document {
        /// The document.
        key: String,
        /// What does not fit.
        source: CodecError,
    },
    /// The documents were folded from another event store. Rebuild them from this one, or connect the right one.
    #[error("the documents come from event store {found}, but this is {store}")]
    ForeignStore {
        /// The store that the checkpoint names.
        found: StoreId,
        /// The store that is connected.
        store: StoreId,
    },
    /// The documents reflect events that the store does not have (any more): it was restored from a backup, say.
    #[error("the documents reflect events up to position {checkpoint}, but the event store ends at {head}")]
    CheckpointAhead {
        /// Where the checkpoint stands.
        checkpoint: GlobalPosition,
        /// Where the log ends.
        head: GlobalPosition,
    },
    /// The log holds another event at the checkpoint than the documents were folded from: it was restored from a backup
    /// and written to since, say.
    #[error("the documents were folded from another event at position {position} than the event store has there")]
    HistoryChanged {
        /// Where the checkpoint stands.
        position: GlobalPosition,
        /// The event that was folded.
        folded: EventId,
        /// The event that is there now.
        found: Option<EventId>,
    },
    /// The store of dead letters failed.
    #[error("the store of dead letters failed")]
    DeadLetters(#[source] StoreError),
    /// The [`ErrorPolicy`](crate::ErrorPolicy) wants a dead letter, but there is no
    /// [store](crate::Projections::dead_letters) for them.
    #[error("there is no store of dead letters for what the error policy wants to keep there")]
    NoDeadLetterStore(#[source] Box<Self>),
    /// The lease ran out while a rebuilt generation was about to go live: its process was paused, or the lease store away.
    #[error("the lease of the {lease} ran out")]
    LeaseLost {
        /// What it was for.
        lease: Lease,
    },
    /// The runner ended in a way that it never should: its task was aborted, or code that it calls panicked.
    #[error("the runner ended unexpectedly")]
    Aborted,
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The store or the sink is away or overloaded: the same may succeed later.
    Transient,
    /// It cannot succeed as it is.
    Permanent,
    /// Going on would be wrong: another owner has taken over, or the documents are not those of this log. The runner
    /// stops without asking the [`ErrorPolicy`](crate::ErrorPolicy).
    Fatal,
}

impl ProjectionError {
    /// Whether trying again can help.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Store(StoreError::Transient(_))
            | Self::DeadLetters(StoreError::Transient(_))
            | Self::ReadModel(ReadModelError::Transient(_))
            | Self::Enrich { source: EnrichError::Transient(_), .. }
            | Self::React { source: ReactError::Transient(_), .. }
            | Self::LeaseLost { .. } => ErrorClass::Transient,
            Self::Store(StoreError::Fenced { .. })
            | Self::DeadLetters(StoreError::Fenced { .. })
            | Self::NoDeadLetterStore(_)
            | Self::ReadModel(ReadModelError::Fenced { .. })
            | Self::ForeignStore { .. }
            | Self::CheckpointAhead { .. }
            | Self::HistoryChanged { .. }
            | Self::Aborted => ErrorClass::Fatal,
            _ => ErrorClass::Permanent,
        }
    }

    /// The document that the error is about, if it is about one: it can be parked while the others go on.
    #[must_use]
    pub fn document(&self) -> Option<&str> {
        match self {
            Self::Project { key, .. }
            | Self::Document { key, .. }
            | Self::ReadModel(ReadModelError::Rejected { key, .. })
                if !key.is_empty() && !is_lookup(key) =>
            {
                Some(key)
            }
            _ => None,
        }
    }

    /// Whether the error is about an event of which it is not known what documents it touches: it cannot be decoded or routed.
    #[must_use]
    pub fn is_about_event(&self) -> bool {
        match self {
            Self::Undecodable(_) | Self::InvalidKey { .. } => true,
            Self::Project { key, .. } => key.is_empty(),
            _ => false,
        }
    }

    /// What a dead letter names as its cause; `None` where there can be none.
    pub(crate) fn cause(&self) -> Option<DeadLetterCause> {
        match self {
            Self::Undecodable(_) => Some(DeadLetterCause::Event),
            _ if self.is_about_event() => Some(DeadLetterCause::Routing),
            _ if self.document().is_none() => None,
            Self::Project { .. } => Some(DeadLetterCause::Projector),
            Self::Document { .. } => Some(DeadLetterCause::Document),
            _ => Some(DeadLetterCause::ReadModel),
        }
    }

    /// The error and its causes in one text.
    pub(crate) fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

impl From<StoreError> for ProjectionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadModelError> for ProjectionError {
    fn from(error: ReadModelError) -> Self {
        Self::ReadModel(error)
    }
}
