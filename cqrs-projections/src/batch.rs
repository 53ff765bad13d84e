//! A page of events folded into documents: pure, without the sink that the documents come from and go to.

use std::collections::HashMap;

use async_trait::async_trait;
use cqrs_core::{
    DeadLetterEvent, DeadLetterFailure, DocumentWrite, EventId, EventType, Filter, GlobalPosition, ParkedDocuments,
    Partitions, RecordedEvent, StoredDocument,
};

mod folding;
mod joining;
mod page;
#[cfg(test)]
mod tests;

pub(crate) use folding::Folding;
pub(crate) use joining::Joining;
pub(crate) use page::panic_text;

use crate::error::ProjectionError;
use crate::error_policy::Judge;

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
    /// Events that cannot be decoded or routed are left out where the judge lets them.
    async fn plan(
        &self,
        page: Vec<RecordedEvent>,
        partitions: Partitions,
        shares: &[Share],
        judge: &Judge,
    ) -> Vec<Planned>;

    /// The same for one share.
    async fn plan_one(&self, page: Vec<RecordedEvent>, partitions: Partitions, share: Share, judge: &Judge) -> Planned {
        self.plan(page, partitions, &[share], judge).await.pop().expect("there is a plan for each share")
    }

    /// Events that were routed to a document before, for it alone.
    async fn plan_document(
        &self,
        events: Vec<RecordedEvent>,
        partitions: Partitions,
        share: Share,
        document: &str,
    ) -> Planned;
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
    /// What was left out, in the order of positions.
    pub(crate) skipped: Vec<Skipped>,
}

/// An event that was left out.
#[derive(Debug, Clone)]
pub(crate) struct Skipped {
    pub(crate) event: DeadLetterEvent,
    pub(crate) failure: DeadLetterFailure,
}

/// Events and the documents of one share that they touch.
pub(crate) trait Plan: Send + Sync {
    /// The documents that are needed to fold, as far as they are known from the events.
    fn keys(&self) -> &[String];

    /// The last event that was read, whether it touches a document or not.
    fn last(&self) -> Option<(GlobalPosition, EventId)>;

    /// How many events were read.
    fn len(&self) -> usize;

    /// Folds the events over documents, those of parked documents as far as they stand before their letters. Otherwise gives
    /// the failures back that were met: one for each document at most.
    fn fold(&self, stored: &Stored, parked: &ParkedDocuments) -> Result<Folded, Vec<FoldFailure>>;

    /// The same events as far as they stand before `position`.
    fn before(self: Box<Self>, position: GlobalPosition) -> Box<dyn Plan>;
}

/// What came of folding.
pub(crate) enum Folded {
    Writes(Writes),
    /// These documents are needed as well: an entry for each that is not there, too.
    Needs(Vec<String>),
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// What the documents are after the events. Those that stay absent throughout are left out.
    pub(crate) documents: Vec<DocumentWrite>,
    /// The events that parked documents wait for.
    pub(crate) letters: Vec<(String, DeadLetterEvent)>,
}

/// Whether a document waits for an event, as its letter, instead of being folded.
pub(crate) fn waits(parked: &ParkedDocuments, key: &str, position: GlobalPosition) -> bool {
    parked.documents.get(key).is_some_and(|first| position >= *first)
}

/// Whether an event was given up for a document.
pub(crate) fn given_up(parked: &ParkedDocuments, key: &str, position: GlobalPosition) -> bool {
    !parked.discarded.is_empty() && parked.discarded.contains(&(key.to_owned(), position))
}

/// An event that cannot be folded.
pub(crate) struct FoldFailure {
    /// The events before this one can be.
    pub(crate) position: GlobalPosition,
    pub(crate) error: Box<ProjectionError>,
}
