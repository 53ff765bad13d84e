//! Many processes write at once and are killed, stopped and disturbed; others read all the while.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cqrs_core::{EventStore, GlobalPosition};
use cqrs_postgres::PgEventStore;
use cqrs_tests::checker::{History, LoggedEvent, check};
use cqrs_tests::database::{Database, append, log};
use cqrs_tests::journal::{Attempt, Fate, Journal, Observation};
use cqrs_tests::wait::{AT_MOST, until, within};
use cqrs_tests::worker::{Place, Task, Worker};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker");

/// The log has as many events in the end, at least.
const EVENTS: u64 = 20_000;
const WRITERS: usize = 4;

struct Torture {
    database: Database,
    directory: TempDir,
    random: fastrand::Rng,
    writers: Vec<Worker>,
    journals: Vec<PathBuf>,
    kills: usize,
    freezes: usize,
}

impl Torture {
    fn place(&self) -> Place {
        Place {
            url: self.database.url.clone(),
            schema: self.database.schema.clone(),
            attempt_timeout: Duration::from_secs(1),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn start_writer(&mut self) {
        let journal = self.path(&format!("writer-{}", self.journals.len()));
        self.journals.push(journal.clone());
        let task = Task::Write { store: self.place(), journal, seed: self.random.u64(..), callers: 12 };
        self.writers.push(Worker::start(Path::new(PROGRAM), &task));
    }

    fn start_reader(&self, name: &str, pages: bool) -> Worker {
        Worker::start(Path::new(PROGRAM), &Task::Read { store: self.place(), observation: self.path(name), pages })
    }

    /// A writer is killed and another takes its place, or one stops for a while.
    async fn harm(&mut self, store: &PgEventStore) {
        let victim = self.random.usize(..self.writers.len());
        if self.random.u8(..4) == 0 {
            self.writers[victim].freeze();
            // If it holds the lock nobody gets on, until the server ends its session.
            let grown = position(store).await + self.random.u64(1..300);
            grows_to(store, grown).await;
            self.writers[victim].thaw();
            self.freezes += 1;
        } else {
            self.writers.swap_remove(victim).kill();
            self.start_writer();
            self.kills += 1;
        }
    }
}

async fn position(store: &PgEventStore) -> u64 {
    store.head().await.unwrap().position.get()
}

async fn grows_to(store: &PgEventStore, wanted: u64) {
    until("the log grows", || async { (position(store).await >= wanted).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_writers_the_log_keeps_its_contract_and_readers_see_all_of_it() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let database = Database::new();
    let store = database.migrated().await;
    let mut torture = Torture {
        database,
        directory: tempfile::tempdir().unwrap(),
        random: fastrand::Rng::with_seed(seed),
        writers: Vec::new(),
        journals: Vec::new(),
        kills: 0,
        freezes: 0,
    };
    let readers = [("subscription", false), ("pages", true)];
    let reading = readers.map(|(name, pages)| torture.start_reader(name, pages));
    let mut stranger =
        Worker::start(Path::new(PROGRAM), &Task::Disturb { store: torture.place(), seed: torture.random.u64(..) });
    for _ in 0..WRITERS {
        torture.start_writer();
    }
    let mut next = 0;
    while next < EVENTS {
        next += torture.random.u64(100..1_000);
        grows_to(&store, next).await;
        torture.harm(&store).await;
    }
    stranger.tell_to_end();
    stranger.ended().await;
    for mut writer in std::mem::take(&mut torture.writers) {
        writer.tell_to_end();
        writer.ended().await;
    }
    let history = torture.end(&store, reading).await;
    let verdict = check(&history);
    println!("{} kills, {} stops: {verdict}", torture.kills, torture.freezes);
    verdict.assert_sound();
    assert!(
        verdict.acknowledged > 5_000 && verdict.refused > 100 && verdict.open > 0 && torture.kills > 5,
        "{verdict}"
    );
}

impl Torture {
    /// What the processes wrote down, after the readers were given everything.
    async fn end(&self, store: &PgEventStore, reading: [Worker; 2]) -> History {
        let last = append("end-1");
        let appended = within("the last event is written", AT_MOST, store.append(last.clone())).await;
        for reader in reading {
            reader.ended().await;
        }
        let mut own = Journal::default();
        own.push(Attempt { ids: last.event_ids(), fate: Fate::of(&appended) });
        let written = self.journals.iter().filter(|path| path.exists());
        let mut journals: Vec<Journal> = written.map(|path| Journal::read(path).unwrap()).collect();
        journals.push(own);
        let observations = ["subscription", "pages"].map(|name| Observation::read(name, &self.path(name)).unwrap());
        let log = log(store).await;
        let head = log.last().map_or(GlobalPosition::START, |event| event.position);
        assert!(observations.iter().all(|seen| seen.until == head), "the readers have come to the end");
        History { log: log.iter().map(LoggedEvent::from).collect(), journals, observations: observations.into() }
    }
}
