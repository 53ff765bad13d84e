//! Writing folded pages into one target.

use std::sync::Arc;

use cqrs_core::{Batch, Checkpoint, DocumentWrite, EventId, EventStore, GlobalPosition, ReadModel, StoreId};

use super::cache::Cache;
use super::owner::{Owner, Standing, event_at};
use crate::batch::{FoldFailure, Folded, Planned};
use crate::error::ProjectionError;

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
    cache: Cache,
}

impl Writer {
    pub(crate) fn new(
        store: Arc<dyn EventStore>,
        model: Arc<dyn ReadModel>,
        owner: Owner,
        standing: &Standing,
        cache: Cache,
    ) -> Self {
        Self { store, model, owner, store_id: standing.head.store_id, stored: standing.position, cache }
    }

    /// Where the stored checkpoint stands.
    pub(crate) const fn stored(&self) -> GlobalPosition {
        self.stored
    }

    /// Folds a page and writes what came of it. `scanned_to` is how far the log was read. When an event fails, everything
    /// before it is written nevertheless.
    pub(crate) async fn write(&mut self, planned: Planned, scanned_to: GlobalPosition) -> Result<(), ProjectionError> {
        let Planned { mut plan, mut failed } = planned;
        self.load(plan.keys()).await?;
        let writes = loop {
            match plan.fold(self.cache.documents()) {
                Ok(Folded::Writes(writes)) => break writes,
                Ok(Folded::Needs(keys)) => self.load(&keys).await?,
                Err(FoldFailure { position, error }) => {
                    plan = plan.before(position);
                    failed = Some(*error);
                }
            }
        };
        let last = plan.last();
        match last {
            Some(last) if !writes.is_empty() => self.apply(writes, last).await?,
            _ if failed.is_none() => self.settle(last, scanned_to).await?,
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

    async fn load(&mut self, keys: &[String]) -> Result<(), ProjectionError> {
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
    async fn settle(
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
        let checkpoint = Checkpoint {
            store_id: self.store_id,
            position,
            event_id: Some(event),
            generation: self.owner.target.generation,
            token: self.owner.token,
        };
        self.cache.written(&documents);
        self.model.apply(&self.owner.target, Batch { from: self.stored, documents, checkpoint }).await?;
        self.stored = position;
        Ok(())
    }
}
