//! A page of events folded into documents: pure, without the sink that the documents come from and go to.

use std::collections::HashMap;

use async_trait::async_trait;
use cqrs_core::{DocumentWrite, EventId, EventType, Filter, GlobalPosition, Partitions, RecordedEvent, StoredDocument};

mod folding;
mod joining;
mod page;
#[cfg(test)]
mod tests;

pub(crate) use folding::Folding;
pub(crate) use joining::Joining;
pub(crate) use page::panic_text;

use crate::error::ProjectionError;

/// Stored documents by key. A key that is not in it has no document.
pub(crate) type Stored = HashMap<String, StoredDocument>;

/// A projector without its types.
#[async_trait]
pub(crate) trait Fold: Send + Sync + 'static {
    /// The events that the projector wants.
    fn event_types(&self) -> Vec<EventType>;

    /// The same for reading.
    fn filter(&self) -> Filter {
        Filter::EventTypes(self.event_types())
    }

    /// The version that the projector declares.
    fn version(&self) -> Option<u32>;

    /// Over how many partitions the projector wants its documents to be spread.
    fn partitions(&self) -> u16;

    /// Decodes, enriches and routes a page of events, in position order, once for all shares: gives each what it is to write.
    async fn plan(&self, page: Vec<RecordedEvent>, partitions: Partitions, shares: &[Share]) -> Vec<Planned>;

    /// The same for one share.
    async fn plan_one(&self, page: Vec<RecordedEvent>, partitions: Partitions, share: Share) -> Planned {
        self.plan(page, partitions, &[share]).await.pop().expect("there is a plan for each share")
    }
}

/// What one writer is to write of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// The documents of this partition.
    pub(crate) partition: u16,
    /// The events after this position.
    pub(crate) after: GlobalPosition,
}

/// A share of a routed page, up to the first event that cannot be routed.
pub(crate) struct Planned {
    pub(crate) plan: Box<dyn Plan>,
    /// Why the page was cut short.
    pub(crate) failed: Option<ProjectionError>,
}

/// Events and the documents of one share that they touch.
pub(crate) trait Plan: Send + Sync {
    /// The documents that are needed to fold, as far as they are known from the events.
    fn keys(&self) -> &[String];

    /// The last event that was read, whether it touches a document or not.
    fn last(&self) -> Option<(GlobalPosition, EventId)>;

    /// How many events were read.
    fn len(&self) -> usize;

    /// Folds the events over documents.
    fn fold(&self, stored: &Stored) -> Result<Folded, FoldFailure>;

    /// The same events as far as they stand before `position`.
    fn before(self: Box<Self>, position: GlobalPosition) -> Box<dyn Plan>;
}

/// What came of folding.
pub(crate) enum Folded {
    /// What the documents are after the events. Those that stay absent throughout are left out.
    Writes(Vec<DocumentWrite>),
    /// These documents are needed as well: an entry for each that is not there, too.
    Needs(Vec<String>),
}

/// An event that cannot be folded.
pub(crate) struct FoldFailure {
    /// The events before this one can be.
    pub(crate) position: GlobalPosition,
    pub(crate) error: Box<ProjectionError>,
}
