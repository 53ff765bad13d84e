//! The error of a handler, whatever its type is.

use std::error::Error;
use std::fmt;

use tower::BoxError;

use super::Outcome;

/// The error of a handler on its way back through the layers.
#[derive(Debug)]
pub struct HandlerError {
    outcome: Outcome,
    error: BoxError,
}

impl HandlerError {
    pub(crate) fn new(outcome: Outcome, error: impl Error + Send + Sync + 'static) -> Self {
        Self { outcome, error: Box::new(error) }
    }

    /// What the error means.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The error itself: an [`ExecuteError<E>`](crate::ExecuteError) of a command, the `Error` of an operation or a query.
    #[must_use]
    pub fn inner(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    pub(crate) fn into_inner<E: Error + 'static>(self) -> Result<E, BoxError> {
        self.error.downcast().map(|error| *error)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
