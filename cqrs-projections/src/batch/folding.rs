//! A projector as a fold: pages are decoded and routed once, each share folds the documents of its own.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    DeadLetterEvent, DocumentWrite, EventId, EventSet, EventType, GlobalPosition, ParkedDocuments, Partitions, Payload,
    Recorded, RecordedEvent, StoredDocument,
};

use super::page::{Page, call, check_key, refused};
use super::{Fold, FoldFailure, Folded, Plan, Planned, Share, Skipped, Stored, Writes, given_up, waits};
use crate::enrich::Stage;
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::projector::{ProjectError, Projector};

/// A projector as a [`Fold`].
pub(crate) struct Folding<P: Projector> {
    projector: Arc<P>,
    stage: Option<Box<dyn Stage<P::Event>>>,
}

impl<P: Projector> Folding<P> {
    pub(crate) fn new(projector: P) -> Self {
        Self { projector: Arc::new(projector), stage: None }
    }

    pub(crate) fn after(stage: impl Stage<P::Event> + 'static, projector: P) -> Self {
        Self { stage: Some(Box::new(stage)), ..Self::new(projector) }
    }
}

/// A page as one share sees it.
struct Routed<P: Projector> {
    projector: Arc<P>,
    page: Arc<Page<P::Event>>,
    /// How many of the events that were read count.
    read: usize,
    touched: Touched,
}

/// The documents of a share.
#[derive(Default)]
struct Touched {
    keys: Vec<String>,
    /// For each key the events that touch it, by index, in order.
    by: Vec<Vec<usize>>,
}

#[async_trait]
impl<P: Projector> Fold for Folding<P> {
    fn event_types(&self) -> Vec<EventType> {
        P::Event::event_types()
    }

    fn version(&self) -> Option<u32> {
        self.projector.version()
    }

    fn partitions(&self) -> u16 {
        self.projector.partitions()
    }

    async fn plan(
        &self,
        page: Vec<RecordedEvent>,
        partitions: Partitions,
        shares: &[Share],
        judge: &Judge,
    ) -> Vec<Planned> {
        let mut skipped = Vec::new();
        let (mut page, mut failed) = Page::prepare(page, self.stage.as_deref(), judge, &mut skipped).await;
        let mut touched: Vec<Touched> = shares.iter().map(|_| Touched::default()).collect();
        let routed = self.route(&page.events, partitions, shares, &mut touched, judge, &mut skipped);
        if let Err(FoldFailure { position, error }) = routed {
            page.cut(position);
            skipped.retain(|skipped| skipped.event.position < position);
            failed = Some(*error);
        }
        skipped.sort_unstable_by_key(|skipped| skipped.event.position);
        let page = Arc::new(page);
        let planned = |touched| {
            let (projector, page) = (Arc::clone(&self.projector), Arc::clone(&page));
            let routed = Routed { projector, read: page.read.len(), page, touched };
            Planned { plan: Box::new(routed), failed: failed.clone(), skipped: skipped.clone() }
        };
        touched.into_iter().map(planned).collect()
    }

    async fn plan_document(&self, events: Vec<RecordedEvent>, _: Partitions, _: Share, document: &str) -> Planned {
        let stage = self.stage.as_deref();
        let (page, failed) = Page::prepare(events, stage, &Judge::strict(), &mut Vec::new()).await;
        let mut touched = Touched::default();
        let place = touched.add(document);
        (0..page.events.len()).for_each(|index| touched.touch(place, index));
        let routed =
            Routed { projector: Arc::clone(&self.projector), read: page.read.len(), page: Arc::new(page), touched };
        Planned { plan: Box::new(routed), failed, skipped: Vec::new() }
    }
}

impl<P: Projector> Folding<P> {
    /// Routes events up to the first whose keys are refused and that is not left out.
    fn route(
        &self,
        events: &[Recorded<P::Event>],
        partitions: Partitions,
        shares: &[Share],
        touched: &mut [Touched],
        judge: &Judge,
        skipped: &mut Vec<Skipped>,
    ) -> Result<(), FoldFailure> {
        // What belongs to no share is looked up by its key as well, once, and dropped.
        let mut known: HashMap<String, Option<(usize, usize)>> = HashMap::new();
        let (mut to, mut routed, mut first) = (Vec::new(), Vec::new(), 0);
        // What an upcaster has made of one event is left out together.
        for group in events.chunk_by(|one, next| one.position == next.position) {
            routed.clear();
            let mut route = group.iter().enumerate();
            let refused: Result<(), FoldFailure> = route.try_for_each(|(index, event)| {
                to.clear();
                self.route_one(event, &mut to)?;
                routed.extend(to.drain(..).map(|key| (first + index, key)));
                Ok(())
            });
            first += group.len();
            if let Err(failure) = refused {
                let event = DeadLetterEvent::from(&group[0].raw);
                let Some(failure) = judge.dead_letter(&failure.error) else { return Err(failure) };
                skipped.push(Skipped { event, failure });
                continue;
            }
            for (index, key) in routed.drain(..) {
                let place = known.entry(key).or_insert_with_key(|key| {
                    let partition = partitions.of(key);
                    let share = shares.iter().position(|share| share.partition == partition)?;
                    Some((share, touched[share].add(key)))
                });
                if let Some((share, at)) = *place
                    && events[index].position > shares[share].after
                {
                    touched[share].touch(at, index);
                }
            }
        }
        Ok(())
    }

    fn route_one(&self, event: &Recorded<P::Event>, to: &mut Vec<String>) -> Result<(), FoldFailure> {
        call(event, "", || {
            self.projector.route(event, to);
            Ok(())
        })?;
        to.iter().try_for_each(|key| check_key(event, key))
    }
}

impl Touched {
    fn add(&mut self, key: &str) -> usize {
        self.keys.push(key.to_owned());
        self.by.push(Vec::new());
        self.keys.len() - 1
    }

    /// Once, even if the event is routed to the same key twice.
    fn touch(&mut self, at: usize, event: usize) {
        if self.by[at].last() != Some(&event) {
            self.by[at].push(event);
        }
    }

    /// Keeps what stands before a position.
    fn cut<E>(&mut self, events: &[Recorded<E>], position: GlobalPosition) {
        let touched = std::mem::take(self);
        for (key, mut by) in touched.keys.into_iter().zip(touched.by) {
            by.retain(|index| events[*index].position < position);
            if !by.is_empty() {
                self.keys.push(key);
                self.by.push(by);
            }
        }
    }
}

impl<P: Projector> Routed<P> {
    /// The events that touch a document, as far as they count.
    fn touching(&self, at: usize) -> impl Iterator<Item = &Recorded<P::Event>> {
        self.touched.by[at].iter().map(|index| &self.page.events[*index])
    }

    fn fold_one(
        &self,
        at: usize,
        stored: Option<&StoredDocument>,
        parked: &ParkedDocuments,
    ) -> Result<Option<DocumentWrite>, FoldFailure> {
        let key = &self.touched.keys[at];
        // An upcaster may have made several events of one: they share its position and are folded together.
        let seen = stored.map_or(GlobalPosition::START, |stored| stored.position);
        let wanted = |position| position > seen && !waits(parked, key, position) && !given_up(parked, key, position);
        let mut unseen = self.touching(at).filter(|event| wanted(event.position)).peekable();
        let Some(first) = unseen.peek().copied() else {
            return Ok(None);
        };
        let mut last = first;
        let mut document: Option<P::Document> = match stored.and_then(|stored| stored.document.as_ref()) {
            None => None,
            Some(payload) => Some(payload.decode().map_err(|source| FoldFailure {
                position: first.position,
                error: Box::new(ProjectionError::Document { key: key.clone(), source }),
            })?),
        };
        let mut existed = document.is_some();
        for event in unseen {
            last = event;
            document = call(event, key, || self.projector.project(event, key, document))?;
            existed |= document.is_some();
        }
        if !existed {
            return Ok(None);
        }
        let document = document.as_ref().map(Payload::encode).transpose();
        let document = document.map_err(|error| refused(last, key, ProjectError::new(error.to_string())))?;
        Ok(Some(DocumentWrite { key: key.clone(), document, position: last.position }))
    }
}

impl<P: Projector> Plan for Routed<P> {
    fn keys(&self) -> &[String] {
        &self.touched.keys
    }

    fn last(&self) -> Option<(GlobalPosition, EventId)> {
        self.page.read[..self.read].last().copied()
    }

    fn len(&self) -> usize {
        self.read
    }

    fn fold(&self, stored: &Stored, parked: &ParkedDocuments) -> Result<Folded, Vec<FoldFailure>> {
        let mut writes = Writes { documents: Vec::with_capacity(self.touched.keys.len()), letters: Vec::new() };
        let mut failures = Vec::new();
        for (at, key) in self.touched.keys.iter().enumerate() {
            match self.fold_one(at, stored.get(key), parked) {
                Ok(write) => writes.documents.extend(write),
                Err(failure) => failures.push(failure),
            }
            if parked.documents.contains_key(key) {
                let waiting = self
                    .touching(at)
                    .filter(|event| waits(parked, key, event.position) && !given_up(parked, key, event.position));
                writes.letters.extend(waiting.map(|event| (key.clone(), DeadLetterEvent::from(&event.raw))));
            }
        }
        if failures.is_empty() { Ok(Folded::Writes(writes)) } else { Err(failures) }
    }

    fn before(mut self: Box<Self>, position: GlobalPosition) -> Box<dyn Plan> {
        self.read = self.page.read[..self.read].partition_point(|(at, _)| *at < position);
        self.touched.cut(&self.page.events, position);
        self
    }
}
