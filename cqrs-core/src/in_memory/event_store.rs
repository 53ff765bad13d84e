//! The event store in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{InMemorySnapshotStore, lock};
use crate::claim::{ClaimChange, ClaimChanges, ClaimKey};
use crate::clock::{Clock, SystemClock};
use crate::event_store::{
    Append, AppendError, Appended, Decision, Direction, EventQuery, EventStore, Existing, Facts, Filter, Head, Limits,
    ListStreams, LogPage, QueryIndex, ReadAll, ReadStream, StoreError, StreamHead, StreamList, StreamPage, decide,
};
use crate::id::{EventId, StoreId};
use crate::import::{ImportError, ImportEvents, ImportFacts, Imported, check_import, claimed_keys};
use crate::name::{EventType, StreamName};
use crate::recorded_event::RecordedEvent;
use crate::recorded_types::RecordedTypes;
use crate::stream::{GlobalPosition, Version};
use crate::stream_facts::{
    Archived, StreamFacts, StreamFactsChange, StreamFactsError, StreamFactsPage, StreamFactsStore, StreamMoment,
};
use crate::subscription::{CatchUpSubscription, Hint, Subscription};
use crate::timestamp::Timestamp;

/// A log in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct InMemoryEventStore {
    log: Arc<Mutex<Log>>,
    newest: Hint,
    snapshots: InMemorySnapshotStore,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Log {
    store_id: StoreId,
    /// In position order, with holes only where events were imported with them.
    events: Vec<RecordedEvent>,
    streams: BTreeMap<StreamName, Vec<usize>>,
    ids: HashMap<EventId, usize>,
    claims: HashMap<ClaimKey, StreamName>,
    /// Of all events, by their indexes.
    queries: QueryIndex,
    /// Only of streams of which something is known.
    facts: BTreeMap<StreamName, StreamFacts>,
}

impl Default for InMemoryEventStore {
    fn default() -> Self {
        Self::new()
    }
}

impl InMemoryEventStore {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// An empty log whose events are recorded when this clock says. Where that is not later than the newest event, because the
    /// clock stands still or went back, it is a microsecond after it.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self {
            log: Arc::new(Mutex::new(Log {
                store_id: StoreId::new(),
                events: Vec::new(),
                streams: BTreeMap::new(),
                ids: HashMap::new(),
                claims: HashMap::new(),
                queries: QueryIndex::default(),
                facts: BTreeMap::new(),
            })),
            newest: Hint::new(),
            snapshots: InMemorySnapshotStore::new(),
            limits: Limits::default(),
            clock: Arc::new(clock),
        }
    }

    /// The snapshots that belong to this log.
    #[must_use]
    pub fn snapshots(&self) -> InMemorySnapshotStore {
        self.snapshots.clone()
    }
}

impl Facts for Log {
    fn head(&self, stream: &StreamName) -> Option<Version> {
        self.streams.get(stream).and_then(|events| Version::new(events.len() as u64))
    }

    fn existing(&self, id: EventId) -> Option<Existing> {
        self.ids.get(&id).map(|&index| {
            let event = &self.events[index];
            Existing {
                stream: event.stream.clone(),
                version: event.version,
                position: event.position,
                recorded_at: event.recorded_at,
                event_type: event.event_type.clone(),
                payload: event.payload.clone(),
            }
        })
    }

    fn claim(&self, key: &ClaimKey) -> Option<StreamName> {
        self.claims.get(key).cloned()
    }

    fn first_matching(&self, query: &EventQuery, after: GlobalPosition) -> Option<GlobalPosition> {
        let index = self.queries.matching(query, self.index_after(after)).next()?;
        self.events.get(index).map(|event| event.position)
    }

    fn is_archived(&self, stream: &StreamName) -> bool {
        self.facts_of(stream).archived.is_some()
    }
}

impl Log {
    fn newest(&self) -> GlobalPosition {
        self.events.last().map_or(GlobalPosition::START, |event| event.position)
    }

    fn index_after(&self, position: GlobalPosition) -> usize {
        self.events.partition_point(|event| event.position <= position)
    }

    fn facts_of(&self, stream: &StreamName) -> StreamFacts {
        self.facts.get(stream).copied().unwrap_or_default()
    }

    fn end(&self) -> Head {
        Head {
            store_id: self.store_id,
            position: self.newest(),
            event_id: self.events.last().map(|event| event.id),
            recorded_at: self.events.last().map(|event| event.recorded_at),
        }
    }

    /// Whether all of these events are in the log just so.
    fn holds(&self, events: &[RecordedEvent]) -> bool {
        events.iter().all(|event| self.ids.get(&event.id).is_some_and(|&index| self.events[index] == *event))
    }

    fn extend(&mut self, events: Vec<RecordedEvent>, claims: Vec<ClaimChange>) {
        for ClaimChange { key, holder, .. } in claims {
            match holder {
                Some(holder) => self.claims.insert(key, holder),
                None => self.claims.remove(&key),
            };
        }
        for event in events {
            let index = self.events.len();
            self.ids.insert(event.id, index);
            self.streams.entry(event.stream.clone()).or_default().push(index);
            self.queries.add(&event.event_type, &event.tags().unwrap_or_default());
            self.events.push(event);
        }
    }

    fn write(&mut self, append: Append, versions: Vec<Version>, now: Timestamp) -> Result<Appended, AppendError> {
        let last = self.events.last().map(|event| event.recorded_at.plus_micros(1));
        let recorded_at = last.map_or(now, |last| last.max(now));
        let first_position = self.newest().next();
        let mut recorded = Vec::with_capacity(append.events.len());
        let mut changes = ClaimChanges::default();
        for (event, version) in append.events.into_iter().zip(&versions) {
            let metadata = event.recorded_metadata(append.id)?;
            let position = GlobalPosition::new(first_position.get() + recorded.len() as u64);
            // Decided: no other stream holds what it takes.
            let _ = changes.add(&event.stream, &event.claims, position, |key| self.claim(key));
            recorded.push(RecordedEvent {
                id: event.id,
                event_type: event.event_type,
                stream: event.stream,
                version: *version,
                position,
                recorded_at,
                occurred_at: event.occurred_at,
                payload: event.payload,
                metadata,
            });
        }
        self.extend(recorded, changes.into_changes());
        Ok(Appended { first_position, position: self.newest(), versions, recorded_at, repeated: false })
    }
}

#[async_trait]
impl EventStore for InMemoryEventStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check(&self.limits)?;
        let mut log = lock(&self.log);
        let appended = match decide(&append, &*log) {
            Decision::Refuse(error) => Err(error),
            Decision::Repeated(appended) => Ok(appended),
            Decision::Write(versions) => log.write(append, versions, self.clock.now()),
        };
        self.newest.advance(log.newest());
        appended
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        let log = lock(&self.log);
        Existing::outcome(ids.iter().map(|id| (*id, log.existing(*id))))
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        let log = lock(&self.log);
        let Some(indexes) = log.streams.get(&read.stream) else {
            return Ok(StreamPage::default());
        };
        let truncated_before = log.facts_of(&read.stream).truncated_before;
        let from = truncated_before.map_or(read.from, |first| read.from.max(first));
        let end = usize::try_from(read.to.get()).unwrap_or(usize::MAX).min(indexes.len());
        let start = usize::try_from(from.get() - 1).unwrap_or(usize::MAX).min(end);
        let window = indexes[start..end].iter().map(|&index| &log.events[index]);
        let wanted = |event: &&RecordedEvent| event.recorded_at <= read.recorded_until && event.position <= read.until;
        let take = read.limit.max(1) + 1;
        let mut events: Vec<_> = match read.direction {
            Direction::Forward => window.filter(wanted).take(take).cloned().collect(),
            Direction::Backward => window.rev().filter(wanted).take(take).cloned().collect(),
        };
        let more = events.len() == take;
        events.truncate(take - 1);
        Ok(StreamPage { events, more, truncated_before })
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        read.filter.check()?;
        let log = lock(&self.log);
        let end = read.until.min(log.newest());
        let start = read.after.min(end);
        let window = log.index_after(start)..log.index_after(end);
        let limit = read.limit.max(1);
        let (filter, skip_archived) = read.filter.parts();
        let matching: Box<dyn Iterator<Item = usize>> = match filter {
            Filter::Query(query) => Box::new(log.queries.matching(query, window.start)),
            filter => Box::new(window.clone().filter(|&index| filter.matches(&log.events[index]))),
        };
        let within = matching.take_while(|&index| index < window.end).map(|index| &log.events[index]);
        let wanted = |event: &&RecordedEvent| !(skip_archived && log.is_archived(&event.stream));
        let events: Vec<_> = within.filter(wanted).take(limit).cloned().collect();
        let scanned_to = match events.last() {
            Some(last) if events.len() == limit => last.position,
            _ => end.max(read.after),
        };
        let mut page = LogPage { more: scanned_to < end, events, scanned_to };
        page.cut(read.bytes);
        Ok(page)
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        let log = lock(&self.log);
        let (after, before) = list.bounds();
        let window = log.streams.range::<str, _>((Bound::Excluded(after.as_str()), Bound::Unbounded));
        let take = list.limit.max(1).saturating_add(1);
        let within = window.take_while(|(stream, _)| stream.as_str() < before.as_str());
        let heads = within.take(take).filter_map(|(stream, indexes)| {
            let newest = indexes.last().map(|&index| &log.events[index]);
            newest.map(|event| StreamHead::new(stream.clone(), event.version))
        });
        let mut streams: Vec<_> = heads.collect();
        let more = streams.len() == take;
        streams.truncate(take - 1);
        Ok(StreamList { streams, more })
    }

    async fn head(&self) -> Result<Head, StoreError> {
        Ok(lock(&self.log).end())
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        let wake = self.newest.wake();
        let store = Arc::new(self.clone());
        Ok(Box::new(CatchUpSubscription::new(store, after, filter, wake, Duration::from_secs(1))))
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self
    }
}

#[async_trait]
impl StreamFactsStore for InMemoryEventStore {
    async fn change_facts(
        &self,
        stream: &StreamName,
        change: StreamFactsChange,
    ) -> Result<StreamFacts, StreamFactsError> {
        let mut log = lock(&self.log);
        let end = log.end();
        let now = self.clock.now();
        let at = end.recorded_at.map_or(now, |newest| newest.max(now));
        let now = Archived { position: end.position, at };
        let found = StreamMoment { head: log.head(stream), facts: log.facts_of(stream), now };
        let facts = StreamFacts::after(stream, change, &found)?;
        if facts.is_empty() {
            log.facts.remove(stream);
        } else {
            log.facts.insert(stream.clone(), facts);
        }
        Ok(facts)
    }

    async fn facts(&self, stream: &StreamName) -> Result<StreamFacts, StoreError> {
        Ok(lock(&self.log).facts_of(stream))
    }

    async fn list_facts(&self, after: Option<&StreamName>, limit: usize) -> Result<StreamFactsPage, StoreError> {
        let log = lock(&self.log);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let take = limit.max(1).saturating_add(1);
        let window = log.facts.range::<StreamName, _>((from, Bound::Unbounded)).take(take);
        let mut streams: Vec<_> = window.map(|(stream, facts)| (stream.clone(), *facts)).collect();
        let more = streams.len() == take;
        streams.truncate(take - 1);
        Ok(StreamFactsPage { streams, more })
    }
}

#[async_trait]
impl RecordedTypes for InMemoryEventStore {
    async fn recorded_types(&self) -> Result<Vec<EventType>, StoreError> {
        let log = lock(&self.log);
        let types: BTreeSet<&EventType> = log.events.iter().map(|event| &event.event_type).collect();
        Ok(types.into_iter().cloned().collect())
    }
}

#[async_trait]
impl ImportEvents for InMemoryEventStore {
    async fn import(&self, events: Vec<RecordedEvent>) -> Result<Imported, ImportError> {
        let mut log = lock(&self.log);
        if log.holds(&events) {
            return Ok(Imported { written: 0, repeated: events.len() });
        }
        let heads = events.iter().map(|event| (event.stream.clone(), log.head(&event.stream))).collect();
        let archived = log.facts.iter().filter(|(_, facts)| facts.archived.is_some());
        let archived = archived.map(|(stream, _)| stream.clone()).collect();
        let held = claimed_keys(&events).into_iter().filter_map(|key| log.claim(&key).map(|holder| (key, holder)));
        let facts = ImportFacts { head: log.end(), clock: self.clock.now(), heads, archived, claims: held.collect() };
        let claims = check_import(&events, &facts, &self.limits)?;
        if let Some(event) = events.iter().find(|event| log.ids.contains_key(&event.id)) {
            return Err(ImportError::EventIdReused { id: event.id });
        }
        let written = events.len();
        log.extend(events, claims);
        self.newest.advance(log.newest());
        Ok(Imported { written, repeated: 0 })
    }
}
