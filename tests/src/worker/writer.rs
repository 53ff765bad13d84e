//! A process that appends whatever a caller may append, and keeps a journal of it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use cqrs_core::{Append, AppendError, Appended, EventStore, ExpectedVersion, NewEvent, StreamName, Version};
use cqrs_postgres::PgEventStore;
use futures::future::join_all;

use super::{Place, told_to_end};
use crate::database::event;
use crate::journal::{Fate, JournalWriter};

/// Few, so that writers meet.
const STREAMS: u64 = 40;

struct Writer {
    store: PgEventStore,
    journal: JournalWriter,
    /// What this process last heard of a stream: others go on meanwhile.
    heads: RefCell<HashMap<StreamName, Option<Version>>>,
    /// An append that was acknowledged, to be repeated.
    written: RefCell<Option<Append>>,
    ending: Cell<bool>,
}

impl Writer {
    async fn new(place: Place, journal: &Path) -> Self {
        Self {
            store: place.options().connect().await.unwrap(),
            journal: JournalWriter::create(journal).unwrap(),
            heads: RefCell::default(),
            written: RefCell::default(),
            ending: Cell::new(false),
        }
    }
}

pub(super) async fn write(place: Place, journal: &Path, seed: u64, callers: u64) {
    let writer = Writer::new(place, journal).await;
    let calling = join_all((0..callers).map(|caller| writer.call(fastrand::Rng::with_seed(seed ^ (caller << 32)))));
    let end = async {
        told_to_end().await;
        writer.ending.set(true);
    };
    tokio::join!(calling, end);
}

pub(super) async fn write_slowly(place: Place, journal: &Path) {
    let writer = Writer::new(place, journal).await;
    let calling = async {
        while !writer.ending.get() {
            let append = Append::new(vec![event("account-slow"), event("account-1")]);
            // Both arrive before the queue is looked at: the second repeats the first within its group.
            tokio::join!(writer.append(append.clone()), writer.append(append));
        }
    };
    let end = async {
        told_to_end().await;
        writer.ending.set(true);
    };
    tokio::join!(calling, end);
}

impl Writer {
    async fn call(&self, mut random: fastrand::Rng) {
        while !self.ending.get() {
            let append = self.any_append(&mut random);
            match random.u8(..100) {
                0..8 => self.abort(append, &mut random).await,
                _ => self.append(append).await,
            }
        }
    }

    fn any_append(&self, random: &mut fastrand::Rng) -> Append {
        let stream = |random: &mut fastrand::Rng| format!("account-{}", random.u64(..STREAMS));
        let one = stream(random);
        match random.u8(..100) {
            // Several events of several streams.
            0..20 => Append::new((0..random.usize(2..7)).map(|_| event(&stream(random))).collect()),
            // On what was last heard of the stream, which may be outdated.
            20..45 => {
                let name = StreamName::new(&one).unwrap();
                let head = self.heads.borrow().get(&name).copied().flatten();
                let append = Append::new((0..random.usize(1..4)).map(|_| event(&one)).collect());
                append.expect(name, ExpectedVersion::of(head))
            }
            // A stream that is not written to is expected to be there.
            45..50 => {
                let other = StreamName::new(stream(random)).unwrap();
                Append::new(vec![event(&one)]).expect(other, ExpectedVersion::StreamExists)
            }
            // What was written once, again; wholly, or mixed with something new.
            50..58 => match (self.written.borrow().clone(), random.bool()) {
                (Some(written), true) => written,
                (Some(written), false) => mixed(&written, event(&one)),
                (None, _) => Append::new(vec![event(&one)]),
            },
            _ => Append::new(vec![event(&one)]),
        }
    }

    async fn append(&self, append: Append) {
        let number = self.journal.attempted(&append).unwrap();
        let answer = self.store.append(append.clone()).await;
        self.journal.told(number, Fate::of(&answer)).unwrap();
        match answer {
            Ok(appended) => self.learn(append, &appended),
            Err(AppendError::Conflict { stream, actual, .. }) => {
                self.heads.borrow_mut().insert(stream, actual);
            }
            Err(AppendError::Unknown { .. }) => self.find_out(number, &append).await,
            Err(AppendError::EventIdReused { .. } | AppendError::Transient(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Drops the append's future at any moment; then asks what became of it, or never knows.
    async fn abort(&self, append: Append, random: &mut fastrand::Rng) {
        let number = self.journal.attempted(&append).unwrap();
        let patience = Duration::from_micros(random.u64(..4_000));
        match tokio::time::timeout(patience, self.store.append(append.clone())).await {
            Ok(answer) => self.journal.told(number, Fate::of(&answer)).unwrap(),
            Err(_) if random.bool() => self.find_out(number, &append).await,
            Err(_) => {}
        }
    }

    async fn find_out(&self, number: usize, append: &Append) {
        let outcome = self.store.outcome(&append.event_ids()).await;
        // Of an append that repeats events and adds others, no outcome can be told.
        self.journal.told(number, Fate::of_outcome(&outcome)).unwrap();
    }

    fn learn(&self, append: Append, appended: &Appended) {
        let mut heads = self.heads.borrow_mut();
        for (event, version) in append.events.iter().zip(&appended.versions) {
            heads.insert(event.stream.clone(), Some(*version));
        }
        *self.written.borrow_mut() = Some(append);
    }
}

/// An append that holds an event which is in the log already, and cannot be written.
fn mixed(written: &Append, new: NewEvent) -> Append {
    Append::new(vec![written.events[0].clone(), new])
}
