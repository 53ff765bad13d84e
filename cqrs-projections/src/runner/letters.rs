//! The dead letters of one target, as its owner knows them.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_core::{
    DeadLetterEvent, DeadLetterFailure, DeadLetterOwner, DeadLetterStore, GlobalPosition, NewDeadLetter,
    ParkedDocuments,
};

use super::owner::Owner;
use crate::batch::Skipped;
use crate::error::ProjectionError;

/// Why documents were parked, by document, and at which event.
pub(super) type Failures = HashMap<String, (GlobalPosition, DeadLetterFailure)>;

#[derive(Debug)]
pub(crate) struct Letters {
    /// `None` where nothing is ever parked.
    store: Option<Arc<dyn DeadLetterStore>>,
    owner: DeadLetterOwner,
    parked: ParkedDocuments,
}

impl Letters {
    /// Takes the letters over with the target: nobody else adds any from now on.
    pub(crate) async fn take_over(
        store: Option<&Arc<dyn DeadLetterStore>>,
        owner: &Owner,
        checkpoint: GlobalPosition,
    ) -> Result<Self, ProjectionError> {
        let owner = DeadLetterOwner { target: owner.target.clone(), token: owner.token };
        let parked = match store {
            None => ParkedDocuments::default(),
            Some(store) => store.take_over(&owner, checkpoint).await.map_err(ProjectionError::DeadLetters)?,
        };
        Ok(Self { store: store.cloned(), owner, parked })
    }

    pub(super) const fn parked(&self) -> &ParkedDocuments {
        &self.parked
    }

    pub(super) const fn parked_mut(&mut self) -> &mut ParkedDocuments {
        &mut self.parked
    }

    pub(super) const fn owner(&self) -> &DeadLetterOwner {
        &self.owner
    }

    pub(super) fn store(&self) -> Option<Arc<dyn DeadLetterStore>> {
        self.store.clone()
    }

    /// From this event on, the document waits.
    pub(super) fn park(&mut self, document: &str, from: GlobalPosition) {
        self.parked.documents.insert(document.to_owned(), from);
    }

    pub(super) fn release(&mut self, document: &str) {
        self.parked.documents.remove(document);
    }

    /// Keeps the letters of a page: before the checkpoint passes their events.
    pub(super) async fn keep(
        &mut self,
        skipped: &[Skipped],
        letters: &[(String, DeadLetterEvent)],
        failures: &Failures,
    ) -> Result<(), ProjectionError> {
        let Some(store) = &self.store else { return Ok(()) };
        // One partition keeps what belongs to no document, once for all.
        let skipped = if self.owner.target.partition == 0 { skipped } else { &[] };
        let without = skipped.iter().map(|Skipped { event, failure }| NewDeadLetter {
            document: None,
            event: event.clone(),
            failure: Some(failure.clone()),
        });
        let with = letters.iter().map(|(document, event)| {
            let first = failures.get(document).filter(|(position, _)| *position == event.position);
            let failure = first.map(|(_, failure)| failure.clone());
            NewDeadLetter { document: Some(document.clone()), event: event.clone(), failure }
        });
        let letters: Vec<_> = without.chain(with).collect();
        if !letters.is_empty() {
            store.keep(&self.owner, letters).await.map_err(ProjectionError::DeadLetters)?;
            self.parked.without_document += skipped.len() as u64;
        }
        Ok(())
    }
}
