//! What a writer or reader of documents has to decide on.

use crate::checkpoint_store::{FencingToken, Generation};
use crate::failure::Failure;
use crate::stream::GlobalPosition;

/// Why a read model did not do what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadModelError {
    /// A newer owner has taken the target over: stop writing.
    #[error("fenced: token {stored} has taken over from {offered}")]
    Fenced {
        /// The token that is stored.
        stored: FencingToken,
        /// The token that was offered.
        offered: FencingToken,
    },
    /// The batch does not start where the checkpoint stands: load the checkpoint and go on from there.
    #[error("the checkpoint is at {actual}, but the batch starts at {from}")]
    OutOfSequence {
        /// Where the batch starts.
        from: GlobalPosition,
        /// Where the checkpoint stands.
        actual: GlobalPosition,
    },
    /// The sink refuses this document as it is; the checkpoint did not move.
    #[error("document {key:?} was refused: {reason}")]
    Rejected {
        /// The document's key.
        key: String,
        /// What the sink said.
        reason: String,
    },
    /// There is no such generation.
    #[error("there is no generation {generation}")]
    NotFound {
        /// The generation.
        generation: Generation,
    },
    /// The live generation cannot be dropped.
    #[error("generation {generation} is live")]
    Live {
        /// The generation.
        generation: Generation,
    },
    /// What the sink holds does not fit what is expected of it: rebuild into a new generation.
    #[error("the sink does not fit: {what}")]
    Mismatch {
        /// What differs.
        what: String,
    },
    /// The sink cannot be reached or is overloaded: try again later.
    #[error("the read model is unavailable")]
    Transient(#[source] Failure),
    /// It cannot succeed as it is.
    #[error("the read model refused")]
    Permanent(#[source] Failure),
    /// What it holds is not what it may hold.
    #[error("the read model holds something it cannot hold: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
}

impl ReadModelError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_))
    }
}
