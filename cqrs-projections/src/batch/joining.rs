//! A projector of joined documents as a fold: event by event, lookups first, then the documents that they lead to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    CodecError, DeadLetterEvent, DocumentWrite, EventId, EventSet, EventType, GlobalPosition, ParkedDocuments,
    Partitions, Payload, Recorded, RecordedEvent, key_rule, lookup_key, lookup_name,
};

use super::page::{Page, call, check_key, refused};
use super::{Fold, FoldFailure, Folded, Plan, Planned, Share, Stored, Writes, given_up, waits};
use crate::enrich::Stage;
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::join::{Asked, JoinProjector, Lookups};
use crate::projector::ProjectError;

/// A projector of joined documents as a [`Fold`].
pub(crate) struct Joining<P: JoinProjector> {
    projector: Arc<P>,
    stage: Option<Box<dyn Stage<P::Event>>>,
}

impl<P: JoinProjector> Joining<P> {
    pub(crate) fn new(projector: P) -> Self {
        Self { projector: Arc::new(projector), stage: None }
    }

    pub(crate) fn after(stage: impl Stage<P::Event> + 'static, projector: P) -> Self {
        Self { stage: Some(Box::new(stage)), ..Self::new(projector) }
    }
}

/// A page as one share sees it.
struct Joined<P: JoinProjector> {
    projector: Arc<P>,
    page: Arc<Page<P::Event>>,
    partitions: Partitions,
    share: Share,
    /// How many of the events that were read count.
    read: usize,
    /// The lookups that the events change.
    keys: Vec<String>,
    /// For each event, those of them that it changes, by index.
    changes: Vec<Vec<usize>>,
    /// The one document that all events were routed to before.
    document: Option<String>,
}

#[async_trait]
impl<P: JoinProjector> Fold for Joining<P> {
    fn event_types(&self) -> Vec<EventType> {
        P::Event::event_types()
    }

    fn version(&self) -> Option<u32> {
        self.projector.version()
    }

    fn partitions(&self) -> u16 {
        self.projector.partitions()
    }

    /// Nothing is left out: it may be a part of what all documents are joined with.
    async fn plan(
        &self,
        page: Vec<RecordedEvent>,
        partitions: Partitions,
        shares: &[Share],
        _: &Judge,
    ) -> Vec<Planned> {
        let stage = self.stage.as_deref();
        let (mut page, mut failed) = Page::prepare(page, stage, &Judge::strict(), &mut Vec::new()).await;
        let changed = match self.changed(&page.events) {
            (changed, None) => changed,
            (changed, Some(FoldFailure { position, error })) => {
                page.cut(position);
                failed = Some(*error);
                changed
            }
        };
        let page = Arc::new(page);
        let planned = |share: &Share| {
            let mut joined = Joined {
                projector: Arc::clone(&self.projector),
                page: Arc::clone(&page),
                partitions,
                share: *share,
                read: page.read.len(),
                keys: Vec::new(),
                changes: Vec::new(),
                document: None,
            };
            joined.take_share(&changed);
            Planned { plan: Box::new(joined), failed: failed.clone(), skipped: Vec::new() }
        };
        shares.iter().map(planned).collect()
    }

    async fn plan_document(
        &self,
        events: Vec<RecordedEvent>,
        partitions: Partitions,
        share: Share,
        document: &str,
    ) -> Planned {
        let stage = self.stage.as_deref();
        let (page, failed) = Page::prepare(events, stage, &Judge::strict(), &mut Vec::new()).await;
        let joined = Joined {
            projector: Arc::clone(&self.projector),
            partitions,
            share,
            read: page.read.len(),
            // The lookups have them already.
            keys: Vec::new(),
            changes: vec![Vec::new(); page.events.len()],
            document: Some(document.to_owned()),
            page: Arc::new(page),
        };
        Planned { plan: Box::new(joined), failed, skipped: Vec::new() }
    }
}

impl<P: JoinProjector> Joining<P> {
    /// The lookups that each event changes, each once, up to the first event whose keys are refused.
    fn changed(&self, events: &[Recorded<P::Event>]) -> (Vec<Vec<String>>, Option<FoldFailure>) {
        let mut changed = Vec::with_capacity(events.len());
        for event in events {
            match self.changed_by(event) {
                Ok(keys) => changed.push(keys),
                Err(failure) => return (changed, Some(failure)),
            }
        }
        (changed, None)
    }

    fn changed_by(&self, event: &Recorded<P::Event>) -> Result<Vec<String>, FoldFailure> {
        let mut to = Vec::new();
        call(event, "", || {
            self.projector.lookups(event, &mut to);
            Ok(())
        })?;
        let mut keys: Vec<String> = Vec::with_capacity(to.len());
        for key in to {
            check_key(event, &key)?;
            let kept = lookup_key(&key);
            if key_rule(&kept).is_some() {
                return Err(refused(event, &key, ProjectError::new("the key of a lookup has 511 bytes at most")));
            }
            if !keys.contains(&kept) {
                keys.push(kept);
            }
        }
        Ok(keys)
    }
}

/// Refuses a document that looks up what another partition folds.
fn alone<E>(event: &Recorded<E>, key: &str, elsewhere: Option<&str>) -> Result<(), FoldFailure> {
    let Some(lookup) = elsewhere else {
        return Ok(());
    };
    let reason = format!("the lookup {lookup:?} lies in another partition: give both keys the same part in braces");
    Err(refused(event, key, ProjectError::new(reason)))
}

impl<P: JoinProjector> Joined<P> {
    fn take_share(&mut self, changed: &[Vec<String>]) {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (event, keys) in self.page.events.iter().zip(changed) {
            let mut changes = Vec::new();
            if event.position > self.share.after {
                for key in keys.iter().filter(|key| self.is_mine(key)) {
                    let next = known.len();
                    changes.push(*known.entry(key).or_insert(next));
                }
            }
            self.changes.push(changes);
        }
        self.keys = vec![String::new(); known.len()];
        known.into_iter().for_each(|(key, place)| key.clone_into(&mut self.keys[place]));
    }

    fn is_mine(&self, key: &str) -> bool {
        self.partitions.of(key) == self.share.partition
    }
}

/// A document, or of a lookup what is written with it.
struct Touched<T> {
    value: T,
    /// Events at or below this position are in it already.
    seen: GlobalPosition,
    /// The last event that was folded into it here.
    last: GlobalPosition,
    existed: bool,
}

/// What is being folded.
struct Work<'a, P: JoinProjector> {
    plan: &'a Joined<P>,
    stored: &'a Stored,
    parked: &'a ParkedDocuments,
    letters: Vec<(String, DeadLetterEvent)>,
    lookups: Lookups<'a, P::Lookup>,
    changed: HashMap<&'a str, Touched<()>>,
    documents: HashMap<String, Touched<Option<P::Document>>>,
    /// The keys of documents in the order in which they were touched.
    order: Vec<String>,
    needs: HashSet<String>,
}

impl<'a, P: JoinProjector> Work<'a, P> {
    /// What the event needs and is not there, is noted.
    fn fold(&mut self, event: &Recorded<P::Event>, changes: &[usize]) -> Result<(), FoldFailure> {
        for change in changes {
            self.look_up(event, &self.plan.keys[*change])?;
        }
        if let Some(document) = &self.plan.document {
            return self.project(event, document.clone());
        }
        let mut to = Vec::new();
        call(event, "", || {
            self.plan.projector.route(event, &self.lookups, &mut to);
            Ok(())
        })?;
        let elsewhere = self.answer(event)?;
        let mut once = HashSet::with_capacity(to.len());
        for key in to {
            check_key(event, &key)?;
            if self.plan.is_mine(&key) && once.insert(key.clone()) {
                // To the partition where it lies, it is not elsewhere.
                alone(event, &key, elsewhere.as_deref())?;
                self.project(event, key)?;
            }
        }
        Ok(())
    }

    fn look_up(&mut self, event: &Recorded<P::Event>, kept: &'a str) -> Result<(), FoldFailure> {
        let Some(stored) = self.stored.get(kept) else {
            self.needs.insert(kept.to_owned());
            return Ok(());
        };
        let before = self.lookups.take(kept);
        self.answer(event)?;
        let touched = self.changed.entry(kept).or_insert_with(|| Touched {
            value: (),
            seen: stored.position,
            last: stored.position,
            existed: before.is_some(),
        });
        if event.position <= touched.seen {
            self.lookups.put(kept, before);
            return Ok(());
        }
        let key = lookup_name(kept).unwrap_or(kept);
        let before = before.map(|lookup| Arc::try_unwrap(lookup).unwrap_or_else(|shared| (*shared).clone()));
        let after = call(event, kept, || self.plan.projector.look_up(event, key, before))?;
        touched.last = event.position;
        touched.existed |= after.is_some();
        self.lookups.put(kept, after.map(Arc::new));
        Ok(())
    }

    fn project(&mut self, event: &Recorded<P::Event>, key: String) -> Result<(), FoldFailure> {
        if given_up(self.parked, &key, event.position) {
            return Ok(());
        }
        if waits(self.parked, &key, event.position) {
            self.letters.push((key, DeadLetterEvent::from(&event.raw)));
            return Ok(());
        }
        if !self.documents.contains_key(&key) {
            let Some(stored) = self.stored.get(&key) else {
                self.needs.insert(key);
                return Ok(());
            };
            let document: Option<P::Document> = match &stored.document {
                None => None,
                Some(json) => Some(json.decode().map_err(|source| FoldFailure {
                    position: event.position,
                    error: Box::new(ProjectionError::Document { key: key.clone(), source }),
                })?),
            };
            let (seen, existed) = (stored.position, document.is_some());
            self.documents.insert(key.clone(), Touched { value: document, seen, last: seen, existed });
            self.order.push(key.clone());
        }
        let Some(touched) = self.documents.get_mut(&key) else { return Ok(()) };
        if event.position <= touched.seen {
            return Ok(());
        }
        let before = touched.value.take();
        touched.value = call(event, &key, || self.plan.projector.project(event, &key, before, &self.lookups))?;
        touched.last = event.position;
        touched.existed |= touched.value.is_some();
        let elsewhere = self.answer(event)?;
        alone(event, &key, elsewhere.as_deref())
    }

    /// Sees to what was asked for: notes what is missing, gives back what lies elsewhere.
    fn answer(&mut self, event: &Recorded<P::Event>) -> Result<Option<String>, FoldFailure> {
        let Asked { missing, broken, elsewhere } = self.lookups.asked();
        self.needs.extend(missing);
        match broken {
            None => Ok(elsewhere),
            Some((key, source)) => {
                let error = Box::new(ProjectionError::Document { key, source });
                Err(FoldFailure { position: event.position, error })
            }
        }
    }

    fn writes(mut self) -> Result<Vec<DocumentWrite>, ProjectError> {
        let encoded = |key: &str, position, json: Option<Result<Payload, CodecError>>| {
            let document = json.transpose().map_err(|error| ProjectError::new(format!("{key:?}: {error}")))?;
            Ok(DocumentWrite { key: key.to_owned(), document, position })
        };
        let mut writes = Vec::with_capacity(self.order.len() + self.plan.keys.len());
        for key in &self.order {
            if let Some(Touched { value, seen, last, existed: true }) = self.documents.remove(key)
                && last > seen
            {
                writes.push(encoded(key, last, value.as_ref().map(Payload::encode))?);
            }
        }
        for key in &self.plan.keys {
            if let Some(Touched { seen, last, existed: true, .. }) = self.changed.remove(key.as_str())
                && last > seen
            {
                let lookup = self.lookups.take(key);
                writes.push(encoded(key, last, lookup.as_deref().map(Payload::encode))?);
            }
        }
        Ok(writes)
    }
}

impl<P: JoinProjector> Plan for Joined<P> {
    fn keys(&self) -> &[String] {
        &self.keys
    }

    fn last(&self) -> Option<(GlobalPosition, EventId)> {
        self.page.read[..self.read].last().copied()
    }

    fn len(&self) -> usize {
        self.read
    }

    /// The first failure ends it: later documents are joined with what it would have left.
    fn fold(&self, stored: &Stored, parked: &ParkedDocuments) -> Result<Folded, Vec<FoldFailure>> {
        let mut work: Work<'_, P> = Work {
            plan: self,
            stored,
            parked,
            letters: Vec::new(),
            lookups: Lookups::new(stored, self.partitions, self.share.partition),
            changed: HashMap::new(),
            documents: HashMap::new(),
            order: Vec::new(),
            needs: HashSet::new(),
        };
        let Some((until, _)) = self.last() else {
            return Ok(Folded::Writes(Writes::default()));
        };
        let events = self.page.events.iter().zip(&self.changes);
        let mut last = None;
        for (event, changes) in events.filter(|(event, _)| event.position > self.share.after && event.position <= until)
        {
            last = Some(event);
            match work.fold(event, changes) {
                Ok(()) => {}
                // It was folded from what is not whole yet.
                Err(_) if !work.needs.is_empty() => break,
                Err(failure) => return Err(vec![failure]),
            }
        }
        if !work.needs.is_empty() {
            return Ok(Folded::Needs(work.needs.into_iter().collect()));
        }
        let letters = std::mem::take(&mut work.letters);
        match (work.writes(), last) {
            (Ok(documents), _) => Ok(Folded::Writes(Writes { documents, letters })),
            (Err(error), Some(last)) => Err(vec![refused(last, "", error)]),
            (Err(_), None) => Ok(Folded::Writes(Writes::default())),
        }
    }

    fn before(mut self: Box<Self>, position: GlobalPosition) -> Box<dyn Plan> {
        self.read = self.page.read[..self.read].partition_point(|(at, _)| *at < position);
        self
    }
}
