//! Folding ahead of what is written: a document that several pages change is written once, while the next ones are folded.

use std::collections::HashMap;

use cqrs_core::{Batch, DocumentWrite, EventId, GlobalPosition, ReadModelError, is_lookup};
use tokio::task::JoinHandle;

use super::writer::{FoldedPage, Writer};
use crate::batch::Planned;
use crate::error::ProjectionError;
use crate::error_policy::Judge;

#[cfg(test)]
mod tests;

/// How much is folded before it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) documents: usize,
    /// How many of them are written at once.
    pub(crate) at_once: usize,
    /// Bytes of keys and documents.
    pub(crate) bytes: usize,
    pub(crate) events: usize,
}

/// What was folded and is not written.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    documents: HashMap<String, DocumentWrite>,
    bytes: usize,
    events: usize,
    /// Up to where that is; `None` when there is nothing to be written.
    last: Option<(GlobalPosition, EventId)>,
    under_way: Option<UnderWay>,
}

/// What is being written; its writing ends when this is dropped.
#[derive(Debug)]
struct UnderWay {
    applied: JoinHandle<Result<(), ReadModelError>>,
    to: (GlobalPosition, EventId),
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.applied.abort();
    }
}

impl Ahead {
    fn take_in(&mut self, writes: Vec<DocumentWrite>, events: usize, last: (GlobalPosition, EventId)) {
        self.events += events;
        self.last = Some(last);
        for write in writes {
            self.bytes += size(&write);
            match self.documents.get_mut(&write.key) {
                Some(before) => {
                    self.bytes -= size(before);
                    *before = write;
                }
                None => drop(self.documents.insert(write.key.clone(), write)),
            }
        }
    }

    fn is_full(&self, bounds: Bounds) -> bool {
        self.documents.len() >= bounds.documents || self.bytes >= bounds.bytes || self.events >= bounds.events
    }

    fn take(&mut self) -> Option<(Vec<DocumentWrite>, (GlobalPosition, EventId))> {
        let last = self.last.take()?;
        (self.bytes, self.events) = (0, 0);
        Some((std::mem::take(&mut self.documents).into_values().collect(), last))
    }
}

/// In the order in which they may be torn by a crash: what is folded again finds documents that were written, and skips what is in
/// them, but not that one was removed; and it needs the lookups as they were.
fn cut(documents: Vec<DocumentWrite>, at_once: usize) -> (Vec<Vec<DocumentWrite>>, Vec<DocumentWrite>) {
    if documents.len() <= at_once {
        return (Vec::new(), documents);
    }
    let goes_last = |write: &DocumentWrite| write.document.is_none() || is_lookup(&write.key);
    let (last, mut first): (Vec<_>, Vec<_>) = documents.into_iter().partition(goes_last);
    let mut cut = Vec::with_capacity(first.len() / at_once.max(1) + 1);
    while !first.is_empty() {
        let rest = first.split_off(at_once.max(1).min(first.len()));
        cut.push(std::mem::replace(&mut first, rest));
    }
    (cut, last)
}

fn size(write: &DocumentWrite) -> usize {
    write.key.len() + write.document.as_ref().map_or(0, cqrs_core::Payload::len)
}

impl Writer {
    /// Folds a page, and has what was folded so far written when it is as much as it may be. Dead letters are kept at once. A document
    /// that the read model refuses is not parked: the error says so, and [`write`](Self::write) is to be used instead.
    pub(crate) async fn fold_ahead(
        &mut self,
        planned: Planned,
        scanned_to: GlobalPosition,
        judge: &Judge,
        bounds: Bounds,
    ) -> Result<(), ProjectionError> {
        let page = self.fold_page(planned, judge).await?;
        let changes = page.changes();
        let FoldedPage { plan, writes, skipped, failures, failed } = page;
        match plan.last() {
            Some(last) if changes || self.ahead().last.is_some() => {
                self.letters_mut().keep(&skipped, &writes.letters, &failures).await?;
                self.remember(&writes.documents);
                self.ahead().take_in(writes.documents, plan.len(), last);
            }
            last if failed.is_none() && self.ahead().last.is_none() => {
                self.landed().await?;
                self.settle(last, scanned_to).await?;
            }
            _ => {}
        }
        match failed {
            Some(error) => {
                self.flush(bounds.at_once).await?;
                Err(error)
            }
            None if self.ahead().is_full(bounds) => self.send(bounds.at_once).await,
            None => Ok(()),
        }
    }

    /// Writes everything that was folded, so many documents at once.
    pub(crate) async fn flush(&mut self, at_once: usize) -> Result<(), ProjectionError> {
        self.send(at_once).await?;
        self.landed().await
    }

    /// Begins to write what was folded, once what is being written has landed. Only the last batch moves the checkpoint on: who writes
    /// so must not send anything under the same token again once something has failed.
    async fn send(&mut self, at_once: usize) -> Result<(), ProjectionError> {
        self.landed().await?;
        let Some((documents, to)) = self.ahead().take() else { return Ok(()) };
        // Only here: what is forgotten now was not used since the last batch began, and so was written with it or before.
        self.trim();
        let (first, last) = cut(documents, at_once);
        let mut batches: Vec<Batch> = first.into_iter().map(|documents| self.batch_that_stays(documents)).collect();
        batches.push(self.batch(last, to.0, Some(to.1)));
        let (model, target) = self.sink();
        let applied = tokio::spawn(async move {
            for batch in batches {
                model.apply(&target, batch).await?;
            }
            Ok(())
        });
        self.ahead().under_way = Some(UnderWay { applied, to });
        Ok(())
    }

    /// Waits until the batch is written that is being written.
    async fn landed(&mut self) -> Result<(), ProjectionError> {
        let Some(UnderWay { applied, to }) = &mut self.ahead().under_way else { return Ok(()) };
        // It ends by itself, unless code that it calls panics.
        let (applied, to) = (applied.await, *to);
        self.ahead().under_way = None;
        applied.unwrap_or_else(|_| Err(ReadModelError::Permanent(cqrs_core::Failure::new("the write panicked"))))?;
        self.stands_at(to.0, to.1);
        Ok(())
    }
}
