//! Why a message did not get to its handler.

use crate::failure::Failure;

/// Why a message was refused before anything was loaded or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is malformed: the same again will be refused again.
    #[error("invalid: {reason}")]
    Invalid {
        /// The rule that it breaks.
        reason: String,
    },
    /// Who asks may not.
    #[error("forbidden: {reason}")]
    Forbidden {
        /// What is missing.
        reason: String,
    },
    /// It cannot be told now whether it may pass: try again later.
    #[error("it cannot be told now whether it may pass")]
    Unavailable(#[source] Failure),
    /// The bus has no handler for it.
    #[error("no handler is registered for {name}")]
    Unregistered {
        /// The name of the message.
        name: &'static str,
    },
}

impl Refusal {
    /// [`Invalid`](Self::Invalid) for this reason.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }

    /// [`Forbidden`](Self::Forbidden) for this reason.
    pub fn forbidden(reason: impl Into<String>) -> Self {
        Self::Forbidden { reason: reason.into() }
    }

    /// [`Unavailable`](Self::Unavailable): who would know did not answer.
    pub fn unavailable(error: impl Into<tower::BoxError>) -> Self {
        Self::Unavailable(Failure::new(error))
    }
}
