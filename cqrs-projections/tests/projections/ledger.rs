//! A tiny domain whose documents show every event that is lost, doubled or out of order.

use std::collections::BTreeMap;
use std::time::Duration;

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{
    Append, Documents, DomainEvent, EventSet, EventStore, GlobalPosition, NewEvent, ReadAll, ReadModel, Recorded,
    RecordedEvent, StreamName,
};
use cqrs_projections::{Backoff, ProjectError, Projector, RetryTransient};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "ledger")]
pub enum LedgerEvent {
    Paid { account: String, amount: i64 },
    Moved { from: String, to: String, amount: i64 },
    Closed { account: String },
}

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "noise")]
pub enum Noise {
    Made,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sheet {
    pub balance: i64,
    pub events: u64,
    /// Differs for each order of the events.
    pub trail: i64,
}

#[derive(Debug)]
pub struct Sheets;

impl Projector for Sheets {
    type Event = LedgerEvent;
    type Document = Sheet;

    fn route(&self, event: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        match &event.event {
            LedgerEvent::Paid { account, .. } | LedgerEvent::Closed { account } => to.push(account.clone()),
            LedgerEvent::Moved { from, to: other, .. } => to.extend([from.clone(), other.clone()]),
        }
    }

    fn project(
        &self,
        event: &Recorded<LedgerEvent>,
        key: &str,
        document: Option<Sheet>,
    ) -> Result<Option<Sheet>, ProjectError> {
        match &event.event {
            LedgerEvent::Paid { amount: 13, .. } => Err(ProjectError::new("13 is refused")),
            event => Ok(after(event, key, document)),
        }
    }
}

/// The sheet after an event.
pub fn after(event: &LedgerEvent, key: &str, document: Option<Sheet>) -> Option<Sheet> {
    let mut sheet = document.unwrap_or_default();
    let amount = match event {
        LedgerEvent::Paid { amount, .. } => *amount,
        LedgerEvent::Moved { from, to, .. } if from == to => 0,
        LedgerEvent::Moved { from, amount, .. } if from == key => -amount,
        LedgerEvent::Moved { amount, .. } => *amount,
        LedgerEvent::Closed { .. } => return None,
    };
    sheet.balance += amount;
    sheet.events += 1;
    sheet.trail = sheet.trail.wrapping_mul(31).wrapping_add(amount);
    Some(sheet)
}

/// The same documents, spread over so many partitions.
#[derive(Debug)]
pub struct Spread(pub u16);

impl Projector for Spread {
    type Event = LedgerEvent;
    type Document = Sheet;

    fn partitions(&self) -> u16 {
        self.0
    }

    fn route(&self, event: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        Sheets.route(event, to);
    }

    fn project(
        &self,
        event: &Recorded<LedgerEvent>,
        key: &str,
        document: Option<Sheet>,
    ) -> Result<Option<Sheet>, ProjectError> {
        Sheets.project(event, key, document)
    }
}

/// The same documents by a projector that declares a version, over so many partitions.
#[derive(Debug)]
pub struct Versioned(pub u32, pub u16);

impl Projector for Versioned {
    type Event = LedgerEvent;
    type Document = Sheet;

    fn partitions(&self) -> u16 {
        self.1
    }

    fn version(&self) -> Option<u32> {
        Some(self.0)
    }

    fn route(&self, event: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        Sheets.route(event, to);
    }

    fn project(
        &self,
        event: &Recorded<LedgerEvent>,
        key: &str,
        document: Option<Sheet>,
    ) -> Result<Option<Sheet>, ProjectError> {
        Sheets.project(event, key, document)
    }
}

pub type Documented = BTreeMap<String, Sheet>;

pub fn paid(account: &str, amount: i64) -> NewEvent {
    let event = LedgerEvent::Paid { account: account.to_owned(), amount };
    NewEvent::encode(StreamName::of("ledger", &account).unwrap(), &event).unwrap()
}

pub fn moved(from: &str, to: &str, amount: i64) -> NewEvent {
    let event = LedgerEvent::Moved { from: from.to_owned(), to: to.to_owned(), amount };
    NewEvent::encode(StreamName::of("ledger", &from).unwrap(), &event).unwrap()
}

pub fn closed(account: &str) -> NewEvent {
    let event = LedgerEvent::Closed { account: account.to_owned() };
    NewEvent::encode(StreamName::of("ledger", &account).unwrap(), &event).unwrap()
}

pub fn noise() -> NewEvent {
    NewEvent::encode(StreamName::new("noise-1").unwrap(), &Noise::Made).unwrap()
}

/// A few events that touch accounts a to e in every way. Few are closed: what is closed shows no errors of before.
pub fn some(seed: u64) -> Vec<NewEvent> {
    let name = |number: u64| ["a", "b", "c", "d", "e"][(number % 5) as usize];
    let amount = 20 + (seed % 50) as i64;
    vec![
        paid(name(seed), amount),
        moved(name(seed), name(seed + 1), amount / 2),
        noise(),
        if seed.is_multiple_of(17) { closed(name(seed + 2)) } else { paid(name(seed + 3), amount * 2) },
    ]
}

pub async fn append(store: &dyn EventStore, events: Vec<NewEvent>) -> GlobalPosition {
    store.append(Append::new(events)).await.unwrap().position
}

pub async fn append_some(store: &dyn EventStore, seeds: std::ops::Range<u64>) -> GlobalPosition {
    append(store, seeds.flat_map(some).collect()).await
}

/// Every event, however many pages they take.
pub async fn log(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let everything = ReadAll::after(GlobalPosition::START).limit(usize::MAX >> 1).bytes(usize::MAX);
    let page = store.read_all(everything).await.unwrap();
    assert!(!page.more, "this is not all");
    page.events
}

/// The documents as they should be: every event of the log folded, one by one.
pub async fn oracle(store: &InMemoryEventStore) -> Documented {
    oracle_of(store, |_| true).await
}

/// The same of some of the events.
pub async fn oracle_of(store: &InMemoryEventStore, wanted: impl Fn(&RecordedEvent) -> bool) -> Documented {
    let mut documents = Documented::new();
    for raw in log(store).await.into_iter().filter(wanted) {
        if !LedgerEvent::event_types().contains(&raw.event_type) {
            continue;
        }
        for event in Recorded::<LedgerEvent>::decode_all(vec![raw]).unwrap() {
            let mut keys = Vec::new();
            Sheets.route(&event, &mut keys);
            keys.dedup();
            for key in keys {
                let before = documents.remove(&key);
                if let Some(after) = Sheets.project(&event, &key, before).unwrap() {
                    documents.insert(key, after);
                }
            }
        }
    }
    documents
}

/// The documents as they are.
pub async fn documents(sink: &InMemoryReadModel, projection: &str) -> Documented {
    let keys: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned).into();
    let found = Documents::<Sheet>::new(sink.clone(), projection).unwrap().get_many(&keys).await.unwrap();
    keys.into_iter().zip(found).filter_map(|(key, sheet)| Some((key, sheet?))).collect()
}

pub async fn generations(sink: &dyn ReadModel, projection: &str) -> Vec<u32> {
    let generations = sink.generations(&projection.parse().unwrap()).await.unwrap();
    generations.into_iter().map(cqrs_core::Generation::get).collect()
}

/// Far longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(20);

/// The default policy, faster.
pub fn quick() -> RetryTransient {
    RetryTransient::new(Backoff::new(Duration::from_micros(100), Duration::from_millis(2)))
}

/// Waits until a condition holds.
pub async fn until<C: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> C) {
    let holds = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(LONG, holds).await.is_ok(), "in vain: {what}");
}
