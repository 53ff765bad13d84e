//! Projectors: what users write to turn events into documents.

use cqrs_core::{EventSet, Recorded};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A pure fold of events into documents. It knows no sink: the same projector fills memory, Redis or Elasticsearch.
///
/// # Contract
/// - **Pure**: both functions depend on nothing but their arguments. No clock, no I/O, no state of their own: the time is
///   that of the event. The same events give the same documents, whenever and however often they are folded.
/// - **In order**: a document sees the events that are routed to it in the order of their positions, each once. An event
///   that is routed to the same key twice is folded once.
/// - **Alone**: a document is folded from its own events and nothing else. Events from many streams may go to one.
/// - Keys have 1 to 512 bytes and no control characters.
/// - A change of what these functions do shows in documents that are folded from then on:
///   [rebuild](crate::Running::rebuild) to fold the whole log again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projector",
    label = "not a projector",
    note = "implement `cqrs_projections::Projector`: which documents an event touches, and what it makes of each"
)]
pub trait Projector: Send + Sync + 'static {
    /// The events that are folded; others are not even read.
    type Event: EventSet;

    /// What they are folded into. Kept as JSON.
    type Document: Serialize + DeserializeOwned + Send;

    /// Over how many partitions the documents are spread, 1 to 1,024; 1 unless told. Each partition has one writer, and the processes
    /// that run the projector share the partitions among them (see [`Projections::leases`](crate::Projections::leases)), so
    /// this is how many processes can work at the same time, and how many documents can be written at the same time.
    ///
    /// A document belongs to a partition by its key ([`Partitions::of`](cqrs_core::Partitions::of)), whatever streams its
    /// events come from. Documents that were filled with another number do not fit any more: [rebuild](crate::Running::rebuild).
    fn partitions(&self) -> u16 {
        1
    }

    /// The version of what the functions below make of events; none unless told.
    ///
    /// A [rebuild](crate::Running::rebuild) that was killed or stopped is gone on with by the next one only where both declare
    /// the same version: two foldings in one read model would be wrong, and nobody would notice. Raise it with every change
    /// of these functions, of the document, or of the events and their upcasters, that can make documents come out otherwise.
    fn version(&self) -> Option<u32> {
        None
    }

    /// Appends the keys of the documents that the event touches: none, one or several.
    fn route(&self, event: &Recorded<Self::Event>, to: &mut Vec<String>);

    /// The document after the event, given the document before it (`None` when there is none). Returning `None` removes
    /// it.
    ///
    /// # Errors
    /// [`ProjectError`] when the event cannot be folded. It goes to the [`ErrorPolicy`](crate::ErrorPolicy), which by
    /// default stops this projection before the event, and can have the document [parked](crate::ErrorDecision::DeadLetter).
    fn project(
        &self,
        event: &Recorded<Self::Event>,
        key: &str,
        document: Option<Self::Document>,
    ) -> Result<Option<Self::Document>, ProjectError>;
}

/// Why a projector cannot fold an event. Folding is pure, so trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ProjectError {
    reason: String,
}

impl ProjectError {
    /// An error for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
