//! Filling a generation from the log: read and routed ahead in a task of its own, folded and written here.

use std::sync::Arc;

use cqrs_core::{EventStore, Filter, GlobalPosition, Head, ReadAll, Target};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::progress::Observer;
use super::retries::Retries;
use crate::batch::{Fold, Planned};
use crate::error::ProjectionError;
use crate::runner::{Cache, Owner, Writer, verify};
use crate::supervisor::Projection;

/// What a rebuild keeps of the new documents in memory, in bytes.
const CACHE_BYTES: usize = 128 << 20;

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// Fills one new generation.
pub(super) struct Fill<'a> {
    projection: &'a Arc<Projection>,
    observer: Observer,
    batch: usize,
    target: Target,
    owner: Option<Owner>,
    writer: Option<Writer>,
    /// Everything up to here is written.
    position: GlobalPosition,
    pub(super) retries: Retries<'a>,
}

impl<'a> Fill<'a> {
    pub(super) fn new(projection: &'a Arc<Projection>, observer: Observer, batch: usize, target: Target) -> Self {
        let (position, retries) = (GlobalPosition::START, Retries::new(projection));
        Self { projection, observer, batch, target, owner: None, writer: None, position, retries }
    }

    pub(super) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Fills until not more than one batch is left.
    pub(super) async fn catch_up(&mut self) -> Result<(), ProjectionError> {
        loop {
            let head = self.head().await?;
            self.fill(head.position).await?;
            let left = self.head().await?.position.get().saturating_sub(self.position.get());
            if left <= self.batch as u64 {
                return Ok(());
            }
        }
    }

    /// Fills up to the end of the log as it is now, and stores the checkpoint there.
    pub(super) async fn finish(&mut self) -> Result<(), ProjectionError> {
        let head = self.head().await?;
        self.fill(head.position).await?;
        let Some(event) = head.event_id else {
            return Ok(());
        };
        loop {
            let stored = match self.writer().await {
                Ok(writer) => writer.advance(head.position, event).await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(()) => return Ok(()),
                Err(error) => self.failed(error).await?,
            }
        }
    }

    async fn head(&mut self) -> Result<Head, ProjectionError> {
        loop {
            match self.projection.store.head().await {
                Ok(head) => return Ok(head),
                Err(error) => self.failed(error.into()).await?,
            }
        }
    }

    async fn fill(&mut self, until: GlobalPosition) -> Result<(), ProjectionError> {
        while let Err(error) = self.fill_once(until).await {
            self.failed(error).await?;
        }
        Ok(())
    }

    async fn fill_once(&mut self, until: GlobalPosition) -> Result<(), ProjectionError> {
        self.writer().await?;
        let mut pages = Pages::read(self.projection, self.position, until, self.batch);
        while self.position < until {
            let Page { planned, scanned_to, more } = pages.next().await?;
            let events = planned.plan.len();
            self.writer().await?.write(planned, scanned_to).await?;
            // A log that holds no more up to there was read up to there.
            self.position = if more { scanned_to } else { until };
            self.retries.succeeded();
            self.observer.advanced(events, self.position, until);
        }
        Ok(())
    }

    async fn failed(&mut self, error: ProjectionError) -> Result<(), ProjectionError> {
        // What the sink holds is only known to the sink now.
        self.writer = None;
        self.retries.failed(error).await
    }

    /// The writer, made anew from the checkpoint after an error.
    async fn writer(&mut self) -> Result<&mut Writer, ProjectionError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open().await?,
        };
        Ok(self.writer.insert(writer))
    }

    async fn open(&mut self) -> Result<Writer, ProjectionError> {
        let Projection { store, model, .. } = &**self.projection;
        let (owner, checkpoint, cache) = match &self.owner {
            Some(owner) => (owner.clone(), owner.checkpoint(&**model).await?, Cache::new(CACHE_BYTES)),
            None => {
                let (owner, checkpoint) = Owner::take(&**model, self.target.clone()).await?;
                self.owner = Some(owner.clone());
                // Nobody has written to it but this rebuild.
                (owner, checkpoint, Cache::of_empty(CACHE_BYTES))
            }
        };
        let standing = verify(store, &self.target, checkpoint).await?;
        self.position = standing.position;
        Ok(Writer::new(Arc::clone(store), Arc::clone(model), owner, &standing, cache))
    }
}

struct Page {
    planned: Planned,
    scanned_to: GlobalPosition,
    more: bool,
}

/// Pages of the log, read and routed ahead. The reading ends when this is dropped.
struct Pages {
    pages: mpsc::Receiver<Result<Page, ProjectionError>>,
    task: JoinHandle<()>,
}

impl Pages {
    fn read(projection: &Projection, after: GlobalPosition, until: GlobalPosition, batch: usize) -> Self {
        let (send, pages) = mpsc::channel(AHEAD);
        let (store, fold) = (Arc::clone(&projection.store), Arc::clone(&projection.fold));
        let task = tokio::spawn(async move {
            let filter = fold.filter();
            let mut after = after;
            while after < until {
                let page = read(&store, &fold, &filter, after, until, batch).await;
                let next = page.as_ref().ok().filter(|page| page.more).map(|page| page.scanned_to);
                if send.send(page).await.is_err() {
                    return;
                }
                match next {
                    Some(scanned_to) => after = scanned_to,
                    None => return,
                }
            }
        });
        Self { pages, task }
    }

    async fn next(&mut self) -> Result<Page, ProjectionError> {
        // The reading ends with an error or the last page, unless code that it calls panics.
        self.pages.recv().await.unwrap_or(Err(ProjectionError::Aborted))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(
    store: &Arc<dyn EventStore>,
    fold: &Arc<dyn Fold>,
    filter: &Filter,
    after: GlobalPosition,
    until: GlobalPosition,
    batch: usize,
) -> Result<Page, ProjectionError> {
    let read = ReadAll::after(after).until(until).filter(filter.clone()).limit(batch);
    let page = store.read_all(read).await?;
    // A page that brings nothing cannot be followed by more.
    let more = page.more && page.scanned_to > after && page.scanned_to < until;
    Ok(Page { planned: fold.plan(page.events), scanned_to: page.scanned_to, more })
}
