//! Which event makes a document one that the read model refuses.

use cqrs_core::{GlobalPosition, ParkedDocuments, ReadModelError};

use super::writer::Writer;
use crate::batch::{Plan, Writes};
use crate::error::ProjectionError;

impl Writer {
    /// The first event of a plan after which the read model refuses a document, found by trying: the document is written as it
    /// is before that event, which a batch that is delivered again makes up for.
    pub(super) async fn first_refused(
        &mut self,
        plan: &dyn Plan,
        document: &str,
        parked: &ParkedDocuments,
    ) -> Result<Option<GlobalPosition>, ProjectionError> {
        // All of its events, as if it were parked from the beginning.
        let events: Vec<_> = self.up_to(plan, document, parked, GlobalPosition::START).await?.letters;
        let mut positions: Vec<_> =
            events.into_iter().filter(|(key, _)| key == document).map(|(_, event)| event.position).collect();
        if let Some(first) = parked.documents.get(document) {
            positions.retain(|position| position < first);
        }
        positions.dedup();
        // With so many events it is written, with so many it is refused.
        let (mut written, mut refused) = (0, positions.len());
        while refused - written > 1 {
            let middle = written.midpoint(refused);
            let Writes { mut documents, .. } = self.up_to(plan, document, parked, positions[middle]).await?;
            // A removal that is torn from its batch cannot be told from one that was not done; none is refused.
            documents.retain(|write| write.key == document && write.document.is_some());
            match self.stay(documents).await {
                Ok(()) => written = middle,
                Err(ProjectionError::ReadModel(ReadModelError::Rejected { key, .. })) if key == document => {
                    refused = middle;
                }
                Err(error) => return Err(error),
            }
            self.reload(document);
        }
        Ok(refused.checked_sub(1).and_then(|last| positions.get(last).copied()))
    }

    /// What comes of the plan when the document waits from an event on.
    async fn up_to(
        &mut self,
        plan: &dyn Plan,
        document: &str,
        parked: &ParkedDocuments,
        from: GlobalPosition,
    ) -> Result<Writes, ProjectionError> {
        let mut parked = parked.clone();
        parked.documents.insert(document.to_owned(), from);
        self.fold_once(plan, &parked).await?.map_err(|failure| *failure.error)
    }
}
