//! How often a rebuild tries again.

use crate::error::{ErrorClass, ProjectionError};
use crate::error_policy::{Attempts, ErrorDecision, Judge};
use crate::supervisor::Projection;

/// A rebuild is given up after so many failures in a row: somebody waits for it, and the live generation is not in need.
const FAILURES: u32 = 10;

#[derive(Debug)]
pub(super) struct Retries<'a> {
    projection: &'a Projection,
    failures: u32,
    attempts: Attempts,
}

impl<'a> Retries<'a> {
    pub(super) fn new(projection: &'a Projection) -> Self {
        Self { projection, failures: 0, attempts: Attempts::default() }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.attempts.clear();
    }

    pub(super) fn judge(&self) -> Judge {
        Judge::new(&self.projection.policy, &self.attempts, self.projection.letters.is_some())
    }

    /// Waits before the next attempt, or gives the error back when there is to be none.
    pub(super) async fn failed(&mut self, error: ProjectionError) -> Result<(), ProjectionError> {
        let error = self.judge().without_place(error);
        self.failures += 1;
        self.attempts.failed(&error);
        if error.class() == ErrorClass::Fatal || self.failures >= FAILURES {
            return Err(error);
        }
        match self.projection.policy.decide(&error, self.attempts.count()) {
            ErrorDecision::Retry { after } => {
                let attempt = self.failures;
                tracing::warn!(projection = %self.projection.name, %error, attempt, "rebuild failed and tries again");
                self.projection.breaker.pause(after).await;
                Ok(())
            }
            ErrorDecision::DeadLetter | ErrorDecision::Stop => Err(error),
        }
    }
}
