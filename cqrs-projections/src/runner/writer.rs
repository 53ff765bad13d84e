//! Writing folded pages into one target.

use std::sync::Arc;

use cqrs_core::{
    Batch, Checkpoint, DocumentWrite, EventId, EventStore, GlobalPosition, ParkedDocuments, ReadModel, ReadModelError,
    StoreId, Target,
};

use super::cache::Cache;
use super::folding_ahead::Ahead;
use super::letters::{Failures, Letters};
use super::owner::{Owner, Standing, event_at};
use crate::batch::{FoldFailure, Folded, Plan, Planned, Skipped, Stored, Writes};
use crate::error::ProjectionError;
use crate::error_policy::Judge;

/// How far the frontier may run ahead of the stored checkpoint while no document changes: what is read again at most after
/// a restart.
const UNSTORED_POSITIONS: u64 = 10_000;

/// Brings a target forward, page by page. After an error it must not be used any more: what the sink holds is then only
/// known to the sink.
#[derive(Debug)]
pub(crate) struct Writer {
    store: Arc<dyn EventStore>,
    model: Arc<dyn ReadModel>,
    owner: Owner,
    store_id: StoreId,
    /// Where the stored checkpoint stands.
    stored: GlobalPosition,
    stored_event: Option<EventId>,
    cache: Cache,
    letters: Letters,
    ahead: Ahead,
}

/// What came of folding a page.
pub(super) struct FoldedPage {
    pub(super) plan: Box<dyn Plan>,
    pub(super) writes: Writes,
    pub(super) skipped: Vec<Skipped>,
    /// Why documents were parked.
    pub(super) failures: Failures,
    /// Why the page was cut short.
    pub(super) failed: Option<ProjectionError>,
}

impl FoldedPage {
    /// Whether there is anything to be written.
    pub(super) fn changes(&self) -> bool {
        !self.writes.documents.is_empty() || !self.writes.letters.is_empty() || !self.skipped.is_empty()
    }
}

impl Writer {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        model: Arc<dyn ReadModel>,
        owner: Owner,
        standing: &Standing,
        cache: Cache,
        letters: Letters,
    ) -> Self {
        let Standing { head, position: stored, event: stored_event } = *standing;
        Self {
            store,
            model,
            owner,
            store_id: head.store_id,
            stored,
            stored_event,
            cache,
            letters,
            ahead: Ahead::default(),
        }
    }

    /// Where the stored checkpoint stands.
    pub(crate) const fn stored(&self) -> GlobalPosition {
        self.stored
    }

    /// What is parked.
    pub(crate) const fn parked(&self) -> &ParkedDocuments {
        self.letters.parked()
    }

    pub(super) const fn letters(&self) -> &Letters {
        &self.letters
    }

    pub(super) const fn letters_mut(&mut self) -> &mut Letters {
        &mut self.letters
    }

    pub(super) fn log(&self) -> Arc<dyn EventStore> {
        Arc::clone(&self.store)
    }

    /// The documents that were loaded.
    pub(super) const fn cached(&self) -> &Stored {
        self.cache.documents()
    }

    /// Folds a page and writes what came of it. `scanned_to` is how far the log was read. What the judge lets become dead letters
    /// is kept before the checkpoint passes it. When an event fails otherwise, everything before it is written nevertheless.
    pub(crate) async fn write(
        &mut self,
        planned: Planned,
        scanned_to: GlobalPosition,
        judge: &Judge,
    ) -> Result<(), ProjectionError> {
        let page = self.fold_page(planned, judge).await?;
        let changes = page.changes();
        let FoldedPage { plan, writes, skipped, failures, failed } = page;
        match plan.last() {
            Some(last) if changes => self.write_all(&*plan, writes, &skipped, last, judge, failures).await?,
            last if failed.is_none() => self.settle(last, scanned_to).await?,
            _ => {}
        }
        match failed {
            Some(error) => Err(error),
            None => {
                self.cache.trim();
                Ok(())
            }
        }
    }

    /// Folds a page, up to the first failure that parks no document.
    pub(super) async fn fold_page(&mut self, planned: Planned, judge: &Judge) -> Result<FoldedPage, ProjectionError> {
        let Planned { mut plan, mut failed, mut skipped } = planned;
        let mut failures = Failures::new();
        loop {
            match self.fold(&*plan).await? {
                Ok(writes) => return Ok(FoldedPage { plan, writes, skipped, failures, failed }),
                Err(met) => {
                    if let Some(FoldFailure { position, error }) = self.park(met, judge, &mut failures) {
                        plan = plan.before(position);
                        skipped.retain(|skipped| skipped.event.position < position);
                        failed = Some(*error);
                    }
                }
            }
        }
    }

    /// Parks the documents that the judge lets be. Gives the first other failure back.
    fn park(&mut self, met: Vec<FoldFailure>, judge: &Judge, failures: &mut Failures) -> Option<FoldFailure> {
        let mut first: Option<FoldFailure> = None;
        for failure in met {
            if let Some(document) = failure.error.document()
                && let Some(letter) = judge.dead_letter(&failure.error)
            {
                self.letters.park(document, failure.position);
                failures.insert(document.to_owned(), (failure.position, letter));
            } else if first.as_ref().is_none_or(|first| failure.position < first.position) {
                first = Some(failure);
            }
        }
        first
    }

    /// Letters first, then documents and checkpoint. A document that the read model refuses is parked in its turn.
    async fn write_all(
        &mut self,
        plan: &dyn Plan,
        mut writes: Writes,
        skipped: &[Skipped],
        last: (GlobalPosition, EventId),
        judge: &Judge,
        mut failures: Failures,
    ) -> Result<(), ProjectionError> {
        loop {
            self.letters.keep(skipped, &writes.letters, &failures).await?;
            let error = match self.apply(writes.documents, last).await {
                Err(error @ ProjectionError::ReadModel(ReadModelError::Rejected { .. })) => error,
                done => return done,
            };
            let (Some(document), Some(letter)) = (error.document(), judge.dead_letter(&error)) else {
                return Err(error);
            };
            // What was written of the batch, only the read model knows.
            self.cache.clear();
            let parked = self.letters.parked().clone();
            let Some(position) = self.first_refused(plan, document, &parked).await? else {
                return Err(error);
            };
            self.letters.park(document, position);
            failures.insert(document.to_owned(), (position, letter));
            let folded = self.fold(plan).await?;
            writes = folded.map_err(|mut met| met.pop().map_or(ProjectionError::Aborted, |failure| *failure.error))?;
        }
    }

    /// Folds a plan with the documents that it needs, those that are parked left out.
    async fn fold(&mut self, plan: &dyn Plan) -> Result<Result<Writes, Vec<FoldFailure>>, ProjectionError> {
        self.load(plan.keys()).await?;
        loop {
            match plan.fold(self.cache.documents(), self.letters.parked()) {
                Ok(Folded::Needs(keys)) => self.load(&keys).await?,
                Ok(Folded::Writes(writes)) => return Ok(Ok(writes)),
                Err(met) => return Ok(Err(met)),
            }
        }
    }

    /// The same as if these documents were parked, and no others; of several failures it gives one.
    pub(super) async fn fold_once(
        &mut self,
        plan: &dyn Plan,
        parked: &ParkedDocuments,
    ) -> Result<Result<Writes, FoldFailure>, ProjectionError> {
        let known = std::mem::replace(self.letters.parked_mut(), parked.clone());
        let folded = self.fold(plan).await;
        *self.letters.parked_mut() = known;
        Ok(folded?.map_err(|mut met| met.swap_remove(0)))
    }

    /// The document is loaded again when it is needed.
    pub(super) fn reload(&mut self, document: &str) {
        self.cache.forget(document);
    }

    /// Writes documents where the checkpoint stands, which stays there.
    pub(super) async fn stay(&mut self, documents: Vec<DocumentWrite>) -> Result<(), ProjectionError> {
        match documents.is_empty() {
            true => Ok(()),
            false => {
                self.remember(&documents);
                Ok(self.model.apply(&self.owner.target, self.batch_that_stays(documents)).await?)
            }
        }
    }

    pub(super) async fn load(&mut self, keys: &[String]) -> Result<(), ProjectionError> {
        let missing = self.cache.missing(keys);
        if !missing.is_empty() {
            let documents = self.model.load(&self.owner.target, &missing).await?;
            self.cache.loaded(missing, documents);
        }
        Ok(())
    }

    /// Stores a checkpoint at an event up to which nothing remains to be done.
    pub(crate) async fn advance(&mut self, position: GlobalPosition, event: EventId) -> Result<(), ProjectionError> {
        match position > self.stored {
            true => self.apply(Vec::new(), (position, event)).await,
            false => Ok(()),
        }
    }

    /// Stores a checkpoint at a position up to which nothing remains to be done, for other processes to see.
    pub(crate) async fn store(&mut self, position: GlobalPosition) -> Result<(), ProjectionError> {
        match event_at(&*self.store, position).await? {
            Some(event) => self.advance(position, event).await,
            // A hole in the log: a later page ends at an event.
            None => Ok(()),
        }
    }

    /// No document changed: the checkpoint is stored now and then only.
    pub(super) async fn settle(
        &mut self,
        last: Option<(GlobalPosition, EventId)>,
        scanned_to: GlobalPosition,
    ) -> Result<(), ProjectionError> {
        let far = |position: GlobalPosition| position.get() >= self.stored.get() + UNSTORED_POSITIONS;
        match last {
            Some((position, event)) if far(position) => self.advance(position, event).await,
            _ if far(scanned_to) => self.store(scanned_to).await,
            _ => Ok(()),
        }
    }

    async fn apply(
        &mut self,
        documents: Vec<DocumentWrite>,
        (position, event): (GlobalPosition, EventId),
    ) -> Result<(), ProjectionError> {
        self.remember(&documents);
        self.model.apply(&self.owner.target, self.batch(documents, position, Some(event))).await?;
        self.stands_at(position, event);
        Ok(())
    }

    /// Brings the target from where it stands to a position.
    pub(super) fn batch(
        &self,
        documents: Vec<DocumentWrite>,
        position: GlobalPosition,
        event_id: Option<EventId>,
    ) -> Batch {
        let Owner { target, token, .. } = &self.owner;
        let (store_id, generation, token) = (self.store_id, target.generation, *token);
        Batch {
            from: self.stored,
            documents,
            checkpoint: Checkpoint { store_id, position, event_id, generation, token },
        }
    }

    /// Leaves the checkpoint where it stands.
    pub(super) fn batch_that_stays(&self, documents: Vec<DocumentWrite>) -> Batch {
        self.batch(documents, self.stored, self.stored_event)
    }

    /// Where batches go.
    pub(super) fn sink(&self) -> (Arc<dyn ReadModel>, Target) {
        (Arc::clone(&self.model), self.owner.target.clone())
    }

    /// The checkpoint is stored.
    pub(super) const fn stands_at(&mut self, position: GlobalPosition, event: EventId) {
        (self.stored, self.stored_event) = (position, Some(event));
    }

    /// Documents that are written, or will be.
    pub(super) fn remember(&mut self, documents: &[DocumentWrite]) {
        self.cache.written(documents);
    }

    /// Makes room in memory.
    pub(super) fn trim(&mut self) {
        self.cache.trim();
    }

    pub(super) const fn ahead(&mut self) -> &mut Ahead {
        &mut self.ahead
    }
}
