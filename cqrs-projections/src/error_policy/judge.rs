//! Whether an error becomes a dead letter, asked where it is met: what comes after it goes on in the same batch.

use std::sync::Arc;

use cqrs_core::DeadLetterFailure;

use super::{Attempts, ErrorDecision, ErrorPolicy};
use crate::error::{ErrorClass, ProjectionError};

#[derive(Debug, Clone)]
pub(crate) struct Judge {
    policy: Arc<dyn ErrorPolicy>,
    attempts: Attempts,
    /// Whether there is a place for dead letters.
    kept: bool,
}

impl Judge {
    pub(crate) fn new(policy: &Arc<dyn ErrorPolicy>, attempts: &Attempts, kept: bool) -> Self {
        Self { policy: Arc::clone(policy), attempts: attempts.clone(), kept }
    }

    /// Lets nothing pass.
    pub(crate) fn strict() -> Self {
        let policy = Arc::new(super::RetryTransient::default());
        Self { policy, attempts: Attempts::default(), kept: false }
    }

    /// What the letter says; `None` when there is to be none.
    pub(crate) fn dead_letter(&self, error: &ProjectionError) -> Option<DeadLetterFailure> {
        if !self.kept || !self.wants_letter(error) {
            return None;
        }
        error.cause().map(|cause| DeadLetterFailure::new(cause, &error.text(), self.attempts.with(error)))
    }

    /// The error as it stops the projection, where a letter is wanted and there is no place for it.
    pub(crate) fn without_place(&self, error: ProjectionError) -> ProjectionError {
        match !self.kept && error.cause().is_some() && self.wants_letter(&error) {
            true => ProjectionError::NoDeadLetterStore(Box::new(error)),
            false => error,
        }
    }

    fn wants_letter(&self, error: &ProjectionError) -> bool {
        error.class() != ErrorClass::Fatal
            && self.policy.decide(error, self.attempts.with(error)) == ErrorDecision::DeadLetter
    }
}
