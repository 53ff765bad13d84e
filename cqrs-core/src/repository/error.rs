//! What a caller of a repository has to decide on.

use crate::claim::ClaimKey;
use crate::codec::CodecError;
use crate::event_store::{AppendError, EventQuery, StoreError};
use crate::failure::Failure;
use crate::id::EventId;
use crate::middleware::Refusal;
use crate::name::{EventType, InvalidName, StreamName};
use crate::recorded_event::UndecodableEvent;
use crate::stream::{ExpectedVersion, GlobalPosition, Version};
use crate::stream_facts::StreamFactsError;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError<E: std::error::Error + Send + Sync + 'static> {
    /// The domain rejects the command. Nothing was written.
    #[error(transparent)]
    Domain(E),
    /// Other writers were faster each time, or the aggregate is not as the caller expected. Nothing was written.
    #[error("{stream} is not at {expected}")]
    Conflict {
        /// The aggregate's stream.
        stream: StreamName,
        /// What was expected of it.
        expected: ExpectedVersion,
        /// Its newest version.
        actual: Option<Version>,
    },
    /// Others were faster each time: an event that the decision rests on was appended meanwhile. Nothing was written.
    #[error("the event at position {position} changes what the decision rests on")]
    Matched {
        /// What the decision rests on.
        query: EventQuery,
        /// The position of the first new event.
        position: GlobalPosition,
    },
    /// A unique key that the command's events take is held by another aggregate. Nothing was written, and the command is
    /// not tried again: it is for the caller to ask for another key.
    #[error("{key} is held by {holder}")]
    Claimed {
        /// The key.
        key: ClaimKey,
        /// The stream that holds it.
        holder: StreamName,
    },
    /// The aggregate's stream is archived. Nothing was written, nor will be until it is
    /// [restored](crate::StreamFactsStore::restore).
    #[error("{stream} is archived")]
    Archived {
        /// The aggregate's stream.
        stream: StreamName,
    },
    /// A [`CommandBus`](crate::CommandBus) refused the command before anything was loaded. Nothing was written.
    #[error(transparent)]
    Refused(Refusal),
    /// The append was sent, and no answer came. [`EventStore::outcome`](crate::EventStore::outcome) tells what became of
    /// it; so does the same command under the same command id.
    #[error("no answer came; the events may or may not have been written")]
    Unknown {
        /// The ids of the events; where it was given up from outside, that of the first one.
        event_ids: Vec<EventId>,
    },
    /// The store cannot be reached or is overloaded. Certainly nothing was written: try again later.
    #[error("the command could not be carried out now")]
    Transient(#[source] Failure),
    /// It cannot succeed as it is. Nothing was written.
    #[error("the command cannot be carried out")]
    Permanent(#[source] Failure),
}

impl<E: std::error::Error + Send + Sync + 'static> From<AppendError> for ExecuteError<E> {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { stream, expected, actual } => Self::Conflict { stream, expected, actual },
            AppendError::Matched { query, position } => Self::Matched { query, position },
            AppendError::Claimed { key, holder } => Self::Claimed { key, holder },
            AppendError::Archived { stream } => Self::Archived { stream },
            AppendError::Unknown { event_ids, .. } => Self::Unknown { event_ids },
            AppendError::Transient(failure) => Self::Transient(failure),
            AppendError::Permanent(failure) => Self::Permanent(failure),
            error @ (AppendError::EventIdReused { .. } | AppendError::Invalid(_)) => {
                Self::Permanent(Failure::new(error))
            }
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<LoadError> for ExecuteError<E> {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(StoreError::Transient(failure)) => Self::Transient(failure),
            error => Self::Permanent(Failure::new(error)),
        }
    }
}

/// Why an aggregate could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No stream can have this id.
    #[error("the id cannot name a stream")]
    InvalidId(#[from] InvalidName),
    /// The aggregate never had this version.
    #[error("{stream} has no version {requested}")]
    VersionBeyondEnd {
        /// The aggregate's stream.
        stream: StreamName,
        /// The version that was asked for.
        requested: Version,
        /// Its newest version, `None` when it has no event.
        newest: Option<Version>,
    },
    /// The state at that moment rests on events that lie before the version at which the stream is truncated.
    #[error("the state rests on events of {stream} before version {before}, where it is truncated")]
    Truncated {
        /// The aggregate's stream.
        stream: StreamName,
        /// The version that it is read from.
        before: Version,
    },
    /// The state has no JSON form, so that it cannot be told what changed.
    #[error("the state has no JSON form")]
    State(#[source] CodecError),
    /// An event cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] UndecodableEvent),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the stream of an aggregate was not truncated.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TruncateError {
    /// The event is not declared to restart the state. Nothing was changed.
    #[error("version {version} of {stream} is {event_type}, which does not restart the state")]
    DoesNotRestart {
        /// The aggregate's stream.
        stream: StreamName,
        /// The version before which it was to be truncated.
        version: Version,
        /// The type of the event there.
        event_type: EventType,
    },
    /// The event could not be read. Nothing was changed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The stream has no such version, or is truncated further already, or the store refused.
    #[error(transparent)]
    Facts(#[from] StreamFactsError),
}
