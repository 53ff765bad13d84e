//! What must not be.

use std::fmt;

use cqrs_core::{EventId, GlobalPosition, StreamName, Timestamp, Version};

/// Something that the contract of the event store or of its readers forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the message of each variant says what its fields are")]
pub enum Violation {
    /// An acknowledged event is not in the log.
    Lost { id: EventId },
    /// An event is in the log twice.
    Doubled { id: EventId, first: GlobalPosition, again: GlobalPosition },
    /// An acknowledged append stands elsewhere than its writer was told.
    AtAnotherPosition { id: EventId, acknowledged: GlobalPosition, found: GlobalPosition },
    /// An acknowledged event has another version than its writer was told.
    AtAnotherVersion { id: EventId, acknowledged: Version, found: Version },
    /// The writer was told that this was not written.
    RefusedButWritten { id: EventId, position: GlobalPosition },
    /// No writer attempted this.
    NeverAttempted { id: EventId, position: GlobalPosition },
    /// Only a part of an append was written.
    Torn { first: EventId, found: usize, of: usize },
    /// Events of other appends stand within an append, or its order is another.
    Scattered { first: EventId },
    /// Positions of the log do not increase.
    PositionNotIncreasing { before: GlobalPosition, after: GlobalPosition },
    /// A stream has a hole, or a version twice.
    VersionNotDense { stream: StreamName, expected: Version, found: Version },
    /// An event was recorded before the one that stands before it.
    ClockWentBack { position: GlobalPosition, before: Timestamp, after: Timestamp },
    /// A reader was never given an event that stands before what it was given.
    Skipped { reader: String, id: EventId, position: GlobalPosition },
    /// A reader was given an event twice.
    SeenTwice { reader: String, id: EventId, position: GlobalPosition },
    /// A reader was given an event after one that stands behind it.
    SeenOutOfOrder { reader: String, position: GlobalPosition, after: GlobalPosition },
    /// A reader was given an event that the log does not hold, or holds elsewhere.
    SeenButNotThere { reader: String, id: EventId, position: GlobalPosition },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { id } => write!(f, "lost: {id} was acknowledged and is not in the log"),
            Self::Doubled { id, first, again } => write!(f, "doubled: {id} stands at {first} and at {again}"),
            Self::AtAnotherPosition { id, acknowledged, found } => {
                write!(f, "misplaced: {id} was acknowledged at {acknowledged} and stands at {found}")
            }
            Self::AtAnotherVersion { id, acknowledged, found } => {
                write!(f, "misplaced: {id} was acknowledged as version {acknowledged} and is version {found}")
            }
            Self::RefusedButWritten { id, position } => {
                write!(f, "refused, but written: {id} stands at {position}")
            }
            Self::NeverAttempted { id, position } => write!(f, "never attempted: {id} stands at {position}"),
            Self::Torn { first, found, of } => {
                write!(f, "torn: {found} of the {of} events of the append that starts with {first}")
            }
            Self::Scattered { first } => {
                write!(f, "scattered: the events of the append that starts with {first} do not follow each other")
            }
            Self::PositionNotIncreasing { before, after } => write!(f, "order: position {after} follows {before}"),
            Self::VersionNotDense { stream, expected, found } => {
                write!(f, "versions of {stream}: {found} where {expected} belongs")
            }
            Self::ClockWentBack { position, before, after } => {
                write!(f, "clock: {after} at {position} follows {before}")
            }
            Self::Skipped { reader, id, position } => write!(f, "{reader} skipped {id} at {position}"),
            Self::SeenTwice { reader, id, position } => write!(f, "{reader} was given {id} at {position} again"),
            Self::SeenOutOfOrder { reader, position, after } => {
                write!(f, "{reader} was given position {position} after {after}")
            }
            Self::SeenButNotThere { reader, id, position } => {
                write!(f, "{reader} was given {id} at {position}, where it does not stand")
            }
        }
    }
}
