//! A projector as a fold: pages are decoded and routed once, each share folds the documents of its own.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cqrs_core::{
    CodecError, DocumentWrite, EventId, EventSet, Filter, GlobalPosition, Partitions, Payload, Recorded, RecordedEvent,
    StoredDocument, UndecodableEvent,
};

use super::{Fold, FoldFailure, Plan, Planned, Share, Stored};
use crate::error::ProjectionError;
use crate::projector::{ProjectError, Projector};

/// The longest key, in bytes.
const KEY_BYTES: usize = 512;

/// A projector as a [`Fold`].
pub(crate) struct Folding<P>(Arc<P>);

impl<P: Projector> Folding<P> {
    pub(crate) fn new(projector: P) -> Self {
        Self(Arc::new(projector))
    }
}

/// A decoded page.
struct Page<P: Projector> {
    projector: Arc<P>,
    /// Position and id of each event that was read; an upcaster makes one, none or several of it.
    read: Vec<(GlobalPosition, EventId)>,
    events: Vec<Recorded<P::Event>>,
}

/// A page as one share sees it.
struct Routed<P: Projector> {
    page: Arc<Page<P>>,
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

impl<P: Projector> Fold for Folding<P> {
    fn filter(&self) -> Filter {
        Filter::EventTypes(P::Event::event_types())
    }

    fn partitions(&self) -> u16 {
        self.0.partitions()
    }

    fn plan(&self, page: Vec<RecordedEvent>, partitions: Partitions, shares: &[Share]) -> Vec<Planned> {
        let (mut page, mut failed) = Page::decode(Arc::clone(&self.0), page);
        let mut touched: Vec<Touched> = shares.iter().map(|_| Touched::default()).collect();
        if let Err(FoldFailure { position, error }) = page.route(partitions, shares, &mut touched) {
            touched.iter_mut().for_each(|touched| touched.cut(&page.events, position));
            page.cut(position);
            failed = Some(*error);
        }
        let page = Arc::new(page);
        let planned = |touched| {
            let routed = Routed { page: Arc::clone(&page), read: page.read.len(), touched };
            Planned { plan: Box::new(routed), failed: failed.clone() }
        };
        touched.into_iter().map(planned).collect()
    }
}

fn decode<E: EventSet>(raw: RecordedEvent, into: &mut Vec<Recorded<E>>) -> Result<(), UndecodableEvent> {
    let mut events = Vec::with_capacity(1);
    // Upcasters are the user's code, too.
    let decoded = catch_unwind(AssertUnwindSafe(|| raw.decode(&mut events))).unwrap_or_else(|panic| {
        let (event_type, reason) = (raw.event_type.to_string(), panicked(&*panic).reason().to_owned());
        Err(CodecError::Upcast { event_type, reason })
    });
    if let Err(source) = decoded {
        return Err(UndecodableEvent::new(raw, source));
    }
    let last = events.pop();
    into.extend(events.into_iter().map(|event| Recorded { event, raw: raw.clone() }));
    into.extend(last.map(|event| Recorded { event, raw }));
    Ok(())
}

impl<P: Projector> Page<P> {
    /// Decodes events up to the first that cannot be.
    fn decode(projector: Arc<P>, page: Vec<RecordedEvent>) -> (Self, Option<ProjectionError>) {
        let mut read = Vec::with_capacity(page.len());
        let mut events = Vec::with_capacity(page.len());
        for raw in page {
            let at = (raw.position, raw.id);
            if let Err(error) = decode(raw, &mut events) {
                return (Self { projector, read, events }, Some(ProjectionError::Undecodable(error)));
            }
            read.push(at);
        }
        (Self { projector, read, events }, None)
    }

    /// Routes events up to the first whose keys are refused.
    fn route(&self, partitions: Partitions, shares: &[Share], touched: &mut [Touched]) -> Result<(), FoldFailure> {
        // What belongs to no share is looked up by its key as well, once, and dropped.
        let mut known: HashMap<String, Option<(usize, usize)>> = HashMap::new();
        let mut to = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            to.clear();
            catch_unwind(AssertUnwindSafe(|| self.projector.route(event, &mut to)))
                .map_err(|panic| refused(event, "", panicked(&*panic)))?;
            for key in to.drain(..) {
                if let Some(reason) = key_rule(&key) {
                    let (event_id, position) = (event.id, event.position);
                    let key = key.chars().take(80).collect();
                    let error = ProjectionError::InvalidKey { event_id, position, key, reason };
                    return Err(FoldFailure { position, error: Box::new(error) });
                }
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

    fn cut(&mut self, position: GlobalPosition) {
        self.read.retain(|(at, _)| *at < position);
        self.events.retain(|event| event.position < position);
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
        let Page { projector, events, .. } = &*self.page;
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
            document = catch_unwind(AssertUnwindSafe(|| projector.project(event, key, document)))
                .unwrap_or_else(|panic| Err(panicked(&*panic)))
                .map_err(|error| refused(event, key, error))?;
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

    fn fold(&self, stored: &Stored) -> Result<Vec<DocumentWrite>, FoldFailure> {
        let mut writes = Vec::with_capacity(self.touched.keys.len());
        for (at, key) in self.touched.keys.iter().enumerate() {
            writes.extend(self.fold_one(at, stored.get(key))?);
        }
        Ok(writes)
    }

    fn before(mut self: Box<Self>, position: GlobalPosition) -> Box<dyn Plan> {
        self.read = self.page.read[..self.read].partition_point(|(at, _)| *at < position);
        self.touched.cut(&self.page.events, position);
        self
    }
}

fn refused<E>(event: &Recorded<E>, key: &str, source: ProjectError) -> FoldFailure {
    let error = ProjectionError::Project {
        event_id: event.id,
        event_type: event.event_type.clone(),
        position: event.position,
        key: key.to_owned(),
        source,
    };
    FoldFailure { position: event.position, error: Box::new(error) }
}

fn panicked(panic: &(dyn Any + Send)) -> ProjectError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    ProjectError::new(format!("panicked: {}", text.unwrap_or("no message")))
}

/// The rule that a key breaks.
fn key_rule(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("a key has at least one byte")
    } else if key.len() > KEY_BYTES {
        Some("a key has 512 bytes at most")
    } else if key.chars().any(char::is_control) {
        Some("a key has no control characters")
    } else {
        None
    }
}
