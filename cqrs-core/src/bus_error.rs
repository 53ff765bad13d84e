//! What who asks a bus has to decide on.

use crate::failure::Failure;
use crate::middleware::Refusal;

/// Why an operation or a query has no answer. Of a missing document the answer is `None`, and no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError<E: std::error::Error + Send + Sync + 'static> {
    /// The handler says so.
    #[error(transparent)]
    Handler(E),
    /// It was refused before the handler saw it.
    #[error(transparent)]
    Refused(Refusal),
    /// It took too long, and had begun: what an operation did until then, only its handler can tell. Under the same command
    /// id it is repeated.
    #[error("no answer came in time")]
    TimedOut,
    /// It did not get to the handler: there were too many others. Try again later.
    #[error("it could not be handled now")]
    Transient(#[source] Failure),
    /// A layer failed.
    #[error("a layer failed")]
    Layer(#[source] Failure),
}
