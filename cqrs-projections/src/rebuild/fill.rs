//! Filling a generation from the log: read and routed ahead in tasks of their own, folded and written here.

use std::sync::Arc;

use cqrs_core::{
    DeadLetterStore, EventId, Generation, GlobalPosition, Head, ParkedDocuments, Partitions, ReadModelError, Target,
    Timestamp,
};
use futures::future::try_join_all;
use tokio::task::JoinSet;

use super::compare::live_stands;
use super::pages::{Page, Pages, Reading};
use super::progress::Observer;
use super::retries::Retries;
use super::throttle::Throttle;
use crate::batch::{Planned, Share};
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::runner::{Bounds, Cache, Letters, Owner, Writer, verify};
use crate::supervisor::Projection;

/// What a rebuild keeps of the new documents in memory, in bytes.
const CACHE_BYTES: usize = 128 << 20;

/// How many events are read and routed together.
const PAGE: usize = 5_000;

/// How many documents of a partition are folded before they are written.
const FOLDED: usize = 50_000;

/// How many bytes of documents, in all partitions.
const FOLDED_BYTES: usize = 64 << 20;

/// Fills all partitions of one new generation, from one reading of the log.
pub(crate) struct Fill<'a> {
    projection: &'a Arc<Projection>,
    observer: Observer,
    /// How many events are folded before what came of them is written.
    batch: usize,
    throttle: Option<Throttle>,
    /// Only what had occurred by then.
    occurred: Option<Timestamp>,
    /// Whether no document is parked: what cannot be folded ends it.
    strict: bool,
    lanes: Vec<Lane>,
    /// Everything up to here is folded, in all partitions, and written when nothing is being filled.
    position: GlobalPosition,
    /// Up to where pages are written one by one, because the read model refuses a document.
    singly: GlobalPosition,
    /// Where it stood at first.
    begun: Option<GlobalPosition>,
    pub(super) retries: Retries<'a>,
}

/// One partition that is filled.
struct Lane {
    target: Target,
    owner: Option<Owner>,
    writer: Option<Writer>,
}

impl<'a> Fill<'a> {
    pub(crate) fn new(
        projection: &'a Arc<Projection>,
        observer: Observer,
        batch: usize,
        generation: Generation,
    ) -> Self {
        let lane = |partition| Lane { target: projection.target(generation, partition), owner: None, writer: None };
        Self {
            projection,
            observer,
            batch,
            throttle: None,
            occurred: None,
            strict: false,
            lanes: projection.count.all().map(lane).collect(),
            position: GlobalPosition::START,
            singly: GlobalPosition::START,
            begun: None,
            retries: Retries::new(projection),
        }
    }

    pub(super) fn throttled(mut self, per_second: Option<u32>) -> Self {
        self.throttle = per_second.map(Throttle::new);
        self
    }

    pub(crate) const fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    pub(crate) const fn occurred(mut self, by: Option<Timestamp>) -> Self {
        self.occurred = by;
        self
    }

    pub(crate) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Everything up to here is written, in all partitions.
    pub(super) const fn position(&self) -> GlobalPosition {
        self.position
    }

    /// Where it stood at first.
    pub(super) fn begun(&self) -> GlobalPosition {
        self.begun.unwrap_or(GlobalPosition::START)
    }

    /// Fills until not more than one page is left.
    pub(super) async fn catch_up(&mut self) -> Result<(), ProjectionError> {
        loop {
            let head = self.head().await?.position;
            self.fill(head).await?;
            let head = self.head().await?.position;
            if self.is_near(head) {
                return Ok(());
            }
        }
    }

    /// The same up to where the live generation stands, and not beyond that.
    pub(super) async fn catch_up_with_live(&mut self) -> Result<(), ProjectionError> {
        loop {
            let live = self.live().await?;
            self.fill(live).await?;
            let live = self.live().await?;
            if self.is_near(live) {
                return Ok(());
            }
        }
    }

    fn is_near(&self, position: GlobalPosition) -> bool {
        position.get().saturating_sub(self.position.get()) <= self.page() as u64
    }

    async fn live(&mut self) -> Result<GlobalPosition, ProjectionError> {
        loop {
            match live_stands(self.projection).await {
                Ok(stands) => return Ok(stands.unwrap_or(GlobalPosition::START)),
                Err(error) => self.failed(error.into()).await?,
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

    pub(crate) async fn fill(&mut self, until: GlobalPosition) -> Result<(), ProjectionError> {
        while let Err(error) = self.fill_once(until).await {
            self.failed(error).await?;
        }
        Ok(())
    }

    /// Where a document is refused that is to be parked, it is found out by which event: in the page that has it.
    fn writes_singly(&mut self, error: &ProjectionError) -> bool {
        let refused = matches!(error, ProjectionError::ReadModel(ReadModelError::Rejected { .. }));
        let singly = refused && self.singly < self.position && self.judge().dead_letter(error).is_some();
        if singly {
            self.singly = self.position;
        }
        singly
    }

    /// Fills up to a position, unless something fails on the way.
    pub(super) async fn fill_once(&mut self, until: GlobalPosition) -> Result<(), ProjectionError> {
        self.open().await?;
        let judge = self.judge();
        let reading = self.reading(self.projection.count, self.shares());
        let mut pages = Pages::new(reading, self.position, until);
        loop {
            let Page { plans, events, scanned_to } = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => {
                    self.flush().await?;
                    return Err(error);
                }
            };
            if let Some(throttle) = &mut self.throttle {
                throttle.pass(events).await;
            }
            let before = self.stored();
            self.position = self.position.max(scanned_to);
            self.write(plans, scanned_to, &judge).await?;
            if self.stored() > before {
                self.retries.succeeded();
            }
            self.observer.advanced(events, self.position, until);
        }
        self.flush().await?;
        self.retries.succeeded();
        Ok(())
    }

    /// Writes everything that was folded.
    async fn flush(&mut self) -> Result<(), ProjectionError> {
        let writers = self.lanes.iter_mut().filter_map(|lane| lane.writer.as_mut());
        let at_once = self.projection.model.good_batch();
        try_join_all(writers.map(|writer| writer.flush(at_once))).await.map(drop)
    }

    /// Grows whenever something is written.
    fn stored(&self) -> u64 {
        let writers = self.lanes.iter().filter_map(|lane| lane.writer.as_ref());
        writers.fold(0, |sum, writer| sum.saturating_add(writer.stored().get()))
    }

    /// Events that are read together.
    fn page(&self) -> usize {
        self.batch.min(PAGE)
    }

    /// How much is folded before it is written; `None` where each page is.
    fn bounds(&self, scanned_to: GlobalPosition) -> Option<Bounds> {
        let events = self.throttle.as_ref().map_or(self.batch, |throttle| throttle.batch(self.batch));
        let (at_once, bytes) = (self.projection.model.good_batch(), FOLDED_BYTES / self.lanes.len().max(1));
        (scanned_to > self.singly).then_some(Bounds { documents: FOLDED.max(at_once), at_once, bytes, events })
    }

    pub(super) fn reading(&self, partitions: Partitions, shares: Vec<Share>) -> Reading {
        let (store, fold) = (Arc::clone(&self.projection.store), Arc::clone(&self.projection.fold));
        let batch = self.throttle.as_ref().map_or(self.page(), |throttle| throttle.batch(self.page()));
        Reading { store, fold, partitions, shares, batch, occurred: self.occurred, judge: self.judge() }
    }

    /// What becomes a dead letter.
    pub(super) fn judge(&self) -> Judge {
        if self.strict { Judge::strict() } else { self.retries.judge() }
    }

    /// The documents that are parked.
    pub(super) fn parked(&self) -> ParkedDocuments {
        let mut parked = ParkedDocuments::default();
        for of_lane in self.lanes.iter().filter_map(|lane| lane.writer.as_ref()).map(Writer::parked) {
            parked.documents.extend(of_lane.documents.clone());
            parked.discarded.extend(of_lane.discarded.iter().cloned());
        }
        parked
    }

    /// As fast as it can from now on, or as it was.
    pub(super) const fn set_throttle(&mut self, throttle: Option<Throttle>) -> Option<Throttle> {
        std::mem::replace(&mut self.throttle, throttle)
    }

    /// Each partition in a task of its own: they fold and write at the same time.
    async fn write(
        &mut self,
        plans: Vec<Planned>,
        scanned_to: GlobalPosition,
        judge: &Judge,
    ) -> Result<(), ProjectionError> {
        let bounds = self.bounds(scanned_to);
        let mut writing = JoinSet::new();
        for (at, (lane, planned)) in self.lanes.iter_mut().zip(plans).enumerate() {
            if let Some(mut writer) = lane.writer.take() {
                let judge = judge.clone();
                writing.spawn(async move {
                    let written = match bounds {
                        Some(bounds) => writer.fold_ahead(planned, scanned_to, &judge, bounds).await,
                        None => writer.write(planned, scanned_to, &judge).await,
                    };
                    (at, written.map(|()| writer))
                });
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

    /// Whether nobody has taken the generation over, as far as the read model tells.
    pub(super) async fn is_owner(&mut self) -> bool {
        for owner in self.lanes.iter_mut().filter_map(|lane| lane.owner.as_mut()) {
            if let Err(ReadModelError::Fenced { .. }) = owner.checkpoint(&*self.projection.model).await {
                return false;
            }
        }
        true
    }

    pub(super) async fn failed(&mut self, error: ProjectionError) -> Result<(), ProjectionError> {
        self.give_up_writers();
        match self.writes_singly(&error) {
            true => Ok(()),
            false => self.retries.failed(error).await,
        }
    }

    /// What the sink holds is only known to the sink from now on.
    pub(super) fn give_up_writers(&mut self) {
        for lane in &mut self.lanes {
            lane.writer = None;
            if let Some(owner) = &mut lane.owner {
                owner.doubt();
            }
        }
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
        let letters = projection.letters.as_ref().filter(|_| !self.strict);
        let opening = self.lanes.iter_mut().map(|lane| lane.open(projection, letters, cache));
        let positions = try_join_all(opening).await?;
        self.position = positions.into_iter().min().unwrap_or(GlobalPosition::START);
        if self.begun.is_none() {
            self.begun = Some(self.position);
            self.observer.begun_at(self.position);
        }
        Ok(())
    }
}

impl Lane {
    async fn open(
        &mut self,
        projection: &Projection,
        letters: Option<&Arc<dyn DeadLetterStore>>,
        cache: usize,
    ) -> Result<GlobalPosition, ProjectionError> {
        let Projection { store, model, .. } = projection;
        let (owner, checkpoint, cache) = match &mut self.owner {
            Some(owner) => {
                let checkpoint = owner.checkpoint(&**model).await?;
                (owner.clone(), checkpoint, Cache::new(cache))
            }
            None => {
                let (owner, checkpoint) = Owner::take(&**model, self.target.clone()).await?;
                self.owner = Some(owner.clone());
                // Whoever has begun it may have been overtaken by one who goes on with it.
                let cache = if owner.is_first() { Cache::of_empty(cache) } else { Cache::new(cache) };
                (owner, checkpoint, cache)
            }
        };
        let standing = verify(store, &self.target, checkpoint).await?;
        let letters = Letters::take_over(letters, &owner, standing.position).await?;
        self.writer = Some(Writer::new(Arc::clone(store), Arc::clone(model), owner, &standing, cache, letters));
        Ok(standing.position)
    }
}
