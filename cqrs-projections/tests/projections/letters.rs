//! Dead letters: one document waits with its events, all others go on, and nothing is lost, doubled or reordered in the end.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use cqrs_core::{DeadLetter, DeadLetterCount, DeadLetterState, DocumentWrite, EventSet, GlobalPosition, Recorded};
use cqrs_projections::{
    Batches, DeadLetterPermanent, DeadLetters, ProjectError, Projections, Projector, Reached, Replay, Running,
};

use crate::faulty::{FaultyLetters, FaultySink, FaultyStore};
use crate::ledger::{Documented, LONG, LedgerEvent, Sheet, Sheets, after, documents, log, until};

mod cluster;
mod crashes;
mod events;
mod parking;
mod property;
mod rebuilding;
mod refusing;
mod replaying;

pub const NAME: &str = "sheets";

/// Amounts that a projector refuses until it is mended: stands for one whose next version takes them.
#[derive(Debug, Clone)]
pub struct Flaws(Arc<Mutex<BTreeSet<i64>>>);

impl Flaws {
    pub fn of<const N: usize>(amounts: [i64; N]) -> Self {
        Self(Arc::new(Mutex::new(amounts.into())))
    }

    pub fn mend(&self, amount: i64) {
        self.0.lock().unwrap().remove(&amount);
    }
}

/// The amount that creates a sheet where there is none, and removes it where there is one.
pub const TOGGLES: i64 = 19;

/// Sheets whose projector has flaws, over so many partitions.
#[derive(Debug, Clone)]
pub struct Flawed {
    pub flaws: Flaws,
    pub partitions: u16,
}

impl Projector for Flawed {
    type Event = LedgerEvent;
    type Document = Sheet;

    fn partitions(&self) -> u16 {
        self.partitions
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
        match &event.event {
            LedgerEvent::Paid { amount, .. } if self.flaws.0.lock().unwrap().contains(amount) => {
                Err(ProjectError::new(format!("{amount} is refused")))
            }
            event => Ok(folded(event, key, document)),
        }
    }
}

fn folded(event: &LedgerEvent, key: &str, document: Option<Sheet>) -> Option<Sheet> {
    match event {
        LedgerEvent::Paid { amount: TOGGLES, .. } if document.is_some() => None,
        event => after(event, key, document),
    }
}

/// The documents as they should be, without some events for some documents.
pub async fn oracle_without(store: &FaultyStore, left_out: &[(&str, GlobalPosition)]) -> Documented {
    let mut documents = Documented::new();
    let wanted = LedgerEvent::event_types();
    let events = log(&store.inner).await.into_iter().filter(|event| wanted.contains(&event.event_type)).collect();
    for event in Recorded::<LedgerEvent>::decode_all(events).unwrap() {
        let mut keys = Vec::new();
        Sheets.route(&event, &mut keys);
        keys.dedup();
        for key in keys.into_iter().filter(|key| !left_out.contains(&(key.as_str(), event.position))) {
            let before = documents.remove(&key);
            if let Some(after) = folded(&event.event, &key, before) {
                documents.insert(key, after);
            }
        }
    }
    documents
}

/// A projection with a flawed projector, and everything around it.
pub struct World {
    pub store: FaultyStore,
    pub sink: FaultySink,
    pub letters: FaultyLetters,
    pub batches: Batches,
    pub projector: Flawed,
}

impl World {
    pub fn new<const N: usize>(flaws: [i64; N]) -> Self {
        Self::of(1, flaws)
    }

    pub fn of<const N: usize>(partitions: u16, flaws: [i64; N]) -> Self {
        let projector = Flawed { flaws: Flaws::of(flaws), partitions };
        let (store, sink, letters) = (FaultyStore::default(), FaultySink::default(), FaultyLetters::default());
        Self { store, sink, letters, batches: Batches::default(), projector }
    }

    pub fn projections(&self) -> Projections {
        Projections::new(self.store.clone())
            .add(NAME, self.projector.clone(), self.sink.clone())
            .batches(self.batches)
            .dead_letters(self.letters.clone())
            .circuit_breaker(quick_breaker())
            .error_policy(policy())
    }

    pub async fn start(&self) -> Running {
        self.projections().start().await.unwrap()
    }

    pub async fn documents(&self) -> Documented {
        documents(&self.sink.inner(), NAME).await
    }

    pub async fn assert_right(&self) {
        self.assert_right_without(&[]).await;
    }

    pub async fn assert_right_without(&self, left_out: &[(&str, GlobalPosition)]) {
        assert_eq!(self.documents().await, oracle_without(&self.store, left_out).await);
    }
}

pub fn policy() -> DeadLetterPermanent {
    let (first, longest) = (std::time::Duration::from_micros(100), std::time::Duration::from_millis(2));
    DeadLetterPermanent::new(cqrs_projections::Backoff::new(first, longest))
}

pub fn quick_breaker() -> cqrs_projections::CircuitBreaker {
    let (first, longest) = (std::time::Duration::from_micros(100), std::time::Duration::from_millis(2));
    cqrs_projections::CircuitBreaker::new(5, cqrs_projections::Backoff::new(first, longest))
}

pub async fn reach(running: &Running, position: GlobalPosition) -> Reached {
    running.wait_for(position, LONG).await.unwrap()
}

pub fn of(running: &Running) -> DeadLetters {
    running.dead_letters(NAME).unwrap()
}

/// The waiting letters of a document, by position.
pub async fn waiting(running: &Running, document: &str) -> Vec<(u64, DeadLetterState)> {
    let letters = of(running);
    let listed = letters.list(&letters.all().document(document).limit(10_000)).await.unwrap().letters;
    let waiting = listed.iter().filter(|letter| letter.state() != DeadLetterState::Discarded);
    waiting.map(|letter| (letter.event.position.get(), letter.state())).collect()
}

pub async fn letter(running: &Running, document: &str, position: GlobalPosition) -> DeadLetter {
    let letters = of(running);
    let listed = letters.list(&letters.all().document(document).limit(10_000)).await.unwrap().letters;
    listed.into_iter().find(|letter| letter.event.position == position).unwrap()
}

pub async fn count(running: &Running) -> DeadLetterCount {
    running.status().await[0].dead_letters.unwrap()
}

/// Replays, and waits until no letter is marked any more.
pub async fn replay(running: &Running, what: Replay) {
    of(running).replay(what).await.unwrap();
    settled(running).await;
}

/// Waits until no letter is marked for replay.
pub async fn settled(running: &Running) {
    let letters = of(running);
    until("everything is replayed", || async {
        let listed = letters.list(&letters.all().limit(10_000)).await.unwrap().letters;
        !listed.iter().any(|letter| letter.to_replay)
    })
    .await;
}

/// A document with this sheet.
pub fn sheet(write: &DocumentWrite) -> Option<Sheet> {
    write.document.as_ref().map(|json| json.decode().unwrap())
}
