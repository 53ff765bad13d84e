//! What to do about an error: decided apart from the code that meets it.

use std::fmt::Debug;
use std::time::Duration;

use cqrs_core::Backoff;

use crate::error::{ErrorClass, ProjectionError};

/// What the runner does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorDecision {
    /// Try again, from the checkpoint.
    Retry {
        /// After so long.
        after: Duration,
    },
    /// Stop this projection; the others go on.
    Stop,
}

/// Decides what to do about an error. Errors of [`ErrorClass::Fatal`] never get here: they stop the projection.
pub trait ErrorPolicy: Send + Sync + Debug + 'static {
    /// What to do about `error`, the `attempt`th in a row (from 1) without progress in between.
    fn decide(&self, error: &ProjectionError, attempt: u32) -> ErrorDecision;
}

/// The default policy: transient errors are tried again, for as long as it takes and ever more slowly; permanent ones stop
/// the projection.
#[derive(Debug, Clone, Copy, Default)]
pub struct RetryTransient {
    backoff: Backoff,
}

impl RetryTransient {
    /// Tries again after these delays.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self { backoff }
    }
}

impl ErrorPolicy for RetryTransient {
    fn decide(&self, error: &ProjectionError, attempt: u32) -> ErrorDecision {
        match error.class() {
            ErrorClass::Transient => ErrorDecision::Retry { after: self.backoff.after(attempt) },
            ErrorClass::Permanent | ErrorClass::Fatal => ErrorDecision::Stop,
        }
    }
}
