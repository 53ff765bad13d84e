//! A projector as a fold: pages are decoded and routed once, each share folds the documents of its own.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    DocumentWrite, EventId, EventSet, EventType, GlobalPosition, Partitions, Payload, Recorded, RecordedEvent,
    StoredDocument,
};

use super::page::{Page, call, check_key, refused};
use super::{Fold, FoldFailure, Folded, Plan, Planned, Share, Stored};
use crate::enrich::Stage;
use crate::error::ProjectionError;
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

    async fn plan(&self, page: Vec<RecordedEvent>, partitions: Partitions, shares: &[Share]) -> Vec<Planned> {
        let (mut page, mut failed) = Page::prepare(page, self.stage.as_deref()).await;
        let mut touched: Vec<Touched> = shares.iter().map(|_| Touched::default()).collect();
        if let Err(FoldFailure { position, error }) = self.route(&page.events, partitions, shares, &mut touched) {
            touched.iter_mut().for_each(|touched| touched.cut(&page.events, position));
            page.cut(position);
            failed = Some(*error);
        }
        let page = Arc::new(page);
        let planned = |touched| {
            let (projector, page) = (Arc::clone(&self.projector), Arc::clone(&page));
            let routed = Routed { projector, read: page.read.len(), page, touched };
            Planned { plan: Box::new(routed), failed: failed.clone() }
        };
        touched.into_iter().map(planned).collect()
    }
}

impl<P: Projector> Folding<P> {
    /// Routes events up to the first whose keys are refused.
    fn route(
        &self,
        events: &[Recorded<P::Event>],
        partitions: Partitions,
        shares: &[Share],
        touched: &mut [Touched],
    ) -> Result<(), FoldFailure> {
        // What belongs to no share is looked up by its key as well, once, and dropped.
        let mut known: HashMap<String, Option<(usize, usize)>> = HashMap::new();
        let mut to = Vec::new();
        for (index, event) in events.iter().enumerate() {
            to.clear();
            call(event, "", || {
                self.projector.route(event, &mut to);
                Ok(())
            })?;
            for key in to.drain(..) {
                check_key(event, &key)?;
                let place = known.entry(key).or_insert_with_key(|key| {
                    let partition = partitions.of(key);
                    let share = shares.iter().position(|share| share.partition == partition)?;
                    Some((share, touched[share].add(key)))
                });
                if let Some((share, at)) = *place
                    && event.position > shares[share].after
                {
                    touched[share].touch(at, index);
                }
            }
        }
        Ok(())
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
    fn fold_one(&self, at: usize, stored: Option<&StoredDocument>) -> Result<Option<DocumentWrite>, FoldFailure> {
        let events = &self.page.events;
        let (key, by) = (&self.touched.keys[at], &self.touched.by[at]);
        // An upcaster may have made several events of one: they share its position and are folded together.
        let seen = stored.map_or(GlobalPosition::START, |stored| stored.position);
        let mut unseen = by.iter().map(|index| &events[*index]).filter(|event| event.position > seen).peekable();
        let (Some(first), Some(last)) = (unseen.peek().copied(), by.last()) else {
            return Ok(None);
        };
        let mut document: Option<P::Document> = match stored.and_then(|stored| stored.document.as_ref()) {
            None => None,
            Some(payload) => Some(payload.decode().map_err(|source| FoldFailure {
                position: first.position,
                error: Box::new(ProjectionError::Document { key: key.clone(), source }),
            })?),
        };
        let mut existed = document.is_some();
        for event in unseen {
            document = call(event, key, || self.projector.project(event, key, document))?;
            existed |= document.is_some();
        }
        if !existed {
            return Ok(None);
        }
        let last = &events[*last];
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

    fn fold(&self, stored: &Stored) -> Result<Folded, FoldFailure> {
        let mut writes = Vec::with_capacity(self.touched.keys.len());
        for (at, key) in self.touched.keys.iter().enumerate() {
            writes.extend(self.fold_one(at, stored.get(key))?);
        }
        Ok(Folded::Writes(writes))
    }

    fn before(mut self: Box<Self>, position: GlobalPosition) -> Box<dyn Plan> {
        self.read = self.page.read[..self.read].partition_point(|(at, _)| *at < position);
        self.touched.cut(&self.page.events, position);
        self
    }
}
