//! How often a rebuild tries again.

use crate::error::{ErrorClass, ProjectionError};
use crate::error_policy::ErrorDecision;
use crate::supervisor::Projection;

/// A rebuild is given up after so many failures in a row: somebody waits for it, and the live generation is not in need.
const FAILURES: u32 = 10;

#[derive(Debug)]
pub(super) struct Retries<'a> {
    projection: &'a Projection,
    failures: u32,
}

impl<'a> Retries<'a> {
    pub(super) const fn new(projection: &'a Projection) -> Self {
        Self { projection, failures: 0 }
    }

    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next attempt, or gives the error back when there is to be none.
    pub(super) async fn failed(&mut self, error: ProjectionError) -> Result<(), ProjectionError> {
        self.failures += 1;
        if error.class() == ErrorClass::Fatal || self.failures >= FAILURES {
            return Err(error);
        }
        match self.projection.policy.decide(&error, self.failures) {
            ErrorDecision::Retry { after } => {
                let attempt = self.failures;
                tracing::warn!(projection = %self.projection.name, %error, attempt, "rebuild failed and tries again");
                tokio::time::sleep(after).await;
                Ok(())
            }
            ErrorDecision::Stop => Err(error),
        }
    }
}
