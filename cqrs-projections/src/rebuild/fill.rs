//! Filling a generation from the log: read and routed ahead in a task of its own, folded and written here.

use std::sync::Arc;

use cqrs_core::{EventId, EventStore, Generation, GlobalPosition, Head, Partitions, ReadAll, Target};
use futures::future::try_join_all;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::progress::Observer;
use super::retries::Retries;
use crate::batch::{Fold, Planned, Share};
use crate::error::ProjectionError;
use crate::runner::{Cache, Owner, Writer, verify};
use crate::supervisor::Projection;

/// What a rebuild keeps of the new documents in memory, in bytes.
const CACHE_BYTES: usize = 128 << 20;

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// Fills all partitions of one new generation, from one reading of the log.
pub(super) struct Fill<'a> {
    projection: &'a Arc<Projection>,
    observer: Observer,
    batch: usize,
    lanes: Vec<Lane>,
    /// Everything up to here is written, in all partitions.
    position: GlobalPosition,
    pub(super) retries: Retries<'a>,
}

/// One partition that is filled.
struct Lane {
    target: Target,
    owner: Option<Owner>,
    writer: Option<Writer>,
}

impl<'a> Fill<'a> {
    pub(super) fn new(
        projection: &'a Arc<Projection>,
        observer: Observer,
        batch: usize,
        generation: Generation,
    ) -> Self {
        let lane = |partition| Lane { target: projection.target(generation, partition), owner: None, writer: None };
        let lanes = projection.count.all().map(lane).collect();
        let (position, retries) = (GlobalPosition::START, Retries::new(projection));
        Self { projection, observer, batch, lanes, position, retries }
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
        while let Err(error) = self.advance(head.position, event).await {
            self.failed(error).await?;
        }
        Ok(())
    }

    async fn advance(&mut self, position: GlobalPosition, event: EventId) -> Result<(), ProjectionError> {
        self.open().await?;
        let writers = self.lanes.iter_mut().filter_map(|lane| lane.writer.as_mut());
        try_join_all(writers.map(|writer| writer.advance(position, event))).await.map(drop)
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
        self.open().await?;
        let mut pages = Pages::read(self.projection, self.shares(), self.position, until, self.batch);
        while self.position < until {
            let Page { plans, scanned_to, more } = pages.next().await?;
            let events = plans.iter().map(|planned| planned.plan.len()).max().unwrap_or(0);
            self.write(plans, scanned_to).await?;
            // A log that holds no more up to there was read up to there.
            self.position = if more { scanned_to } else { until };
            self.retries.succeeded();
            self.observer.advanced(events, self.position, until);
        }
        Ok(())
    }

    /// Each partition in a task of its own: they fold and write at the same time.
    async fn write(&mut self, plans: Vec<Planned>, scanned_to: GlobalPosition) -> Result<(), ProjectionError> {
        let mut writing = JoinSet::new();
        for (at, (lane, planned)) in self.lanes.iter_mut().zip(plans).enumerate() {
            if let Some(mut writer) = lane.writer.take() {
                writing.spawn(async move { (at, writer.write(planned, scanned_to).await.map(|()| writer)) });
            }
        }
        let mut written = Ok(());
        while let Some(ended) = writing.join_next().await {
            match ended {
                Ok((at, Ok(writer))) => self.lanes[at].writer = Some(writer),
                Ok((_, Err(error))) => written = Err(error),
                // Code that it calls panicked.
                Err(_) => written = Err(ProjectionError::Aborted),
            }
        }
        written
    }

    async fn failed(&mut self, error: ProjectionError) -> Result<(), ProjectionError> {
        // What the sink holds is only known to the sink now.
        self.lanes.iter_mut().for_each(|lane| lane.writer = None);
        self.retries.failed(error).await
    }

    /// What each partition still needs of what is read from now on: after a failure some are further than others.
    fn shares(&self) -> Vec<Share> {
        let stored = |lane: &Lane| lane.writer.as_ref().map_or(GlobalPosition::START, Writer::stored);
        self.lanes.iter().map(|lane| Share { partition: lane.target.partition, after: stored(lane) }).collect()
    }

    /// Makes the writers, anew from their checkpoints after a failure.
    async fn open(&mut self) -> Result<(), ProjectionError> {
        if self.lanes.iter().all(|lane| lane.writer.is_some()) {
            return Ok(());
        }
        let projection = self.projection;
        let cache = CACHE_BYTES / self.lanes.len().max(1);
        let opening = self.lanes.iter_mut().map(|lane| lane.open(projection, cache));
        let positions = try_join_all(opening).await?;
        self.position = positions.into_iter().min().unwrap_or(GlobalPosition::START);
        Ok(())
    }
}

impl Lane {
    async fn open(&mut self, projection: &Projection, cache: usize) -> Result<GlobalPosition, ProjectionError> {
        let Projection { store, model, .. } = projection;
        let (owner, checkpoint, cache) = match &self.owner {
            Some(owner) => (owner.clone(), owner.checkpoint(&**model).await?, Cache::new(cache)),
            None => {
                let (owner, checkpoint) = Owner::take(&**model, self.target.clone()).await?;
                self.owner = Some(owner.clone());
                // Nobody has written to it but this rebuild.
                (owner, checkpoint, Cache::of_empty(cache))
            }
        };
        let standing = verify(store, &self.target, checkpoint).await?;
        self.writer = Some(Writer::new(Arc::clone(store), Arc::clone(model), owner, &standing, cache));
        Ok(standing.position)
    }
}

struct Page {
    /// For each partition.
    plans: Vec<Planned>,
    scanned_to: GlobalPosition,
    more: bool,
}

/// Pages of the log, read and routed ahead. The reading ends when this is dropped.
struct Pages {
    pages: mpsc::Receiver<Result<Page, ProjectionError>>,
    task: JoinHandle<()>,
}

impl Pages {
    fn read(
        projection: &Projection,
        shares: Vec<Share>,
        after: GlobalPosition,
        until: GlobalPosition,
        batch: usize,
    ) -> Self {
        let (send, pages) = mpsc::channel(AHEAD);
        let (store, fold, count) = (Arc::clone(&projection.store), Arc::clone(&projection.fold), projection.count);
        let task = tokio::spawn(async move {
            let filter = fold.filter();
            let mut after = after;
            while after < until {
                let read = ReadAll::after(after).until(until).filter(filter.clone()).limit(batch);
                let page = page(&*store, &*fold, read, count, &shares).await;
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

async fn page(
    store: &dyn EventStore,
    fold: &dyn Fold,
    read: ReadAll,
    count: Partitions,
    shares: &[Share],
) -> Result<Page, ProjectionError> {
    let (after, until) = (read.after, read.until);
    let page = store.read_all(read).await?;
    // A page that brings nothing cannot be followed by more.
    let more = page.more && page.scanned_to > after && page.scanned_to < until;
    Ok(Page { plans: fold.plan(page.events, count, shares).await, scanned_to: page.scanned_to, more })
}
