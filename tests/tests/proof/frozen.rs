//! A process that stops in the middle of a transaction, with the lock.

use std::path::Path;
use std::time::{Duration, Instant};

use cqrs_core::EventStore;
use cqrs_tests::checker::{History, LoggedEvent, check};
use cqrs_tests::database::{Database, append, log};
use cqrs_tests::journal::{Attempt, Fate, Journal};
use cqrs_tests::proxy::Proxy;
use cqrs_tests::wait::until;
use cqrs_tests::worker::{Place, Task, Worker};
use sqlx::PgConnection;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_freezes_with_the_lock_delays_others_no_longer_than_its_timeout() {
    let database = Database::new();
    let store = database.migrated().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let timeout = Duration::from_secs(1);
    let proxy = Proxy::before_database(&database.url).await;
    // Each statement of its transaction takes a while, so that it can be caught in between.
    proxy.delay(Duration::from_millis(30));
    let place = Place { url: proxy.url(&database.url), schema: database.schema.clone(), attempt_timeout: timeout };
    let task = Task::WriteSlowly { store: place, journal: journal.clone() };
    let mut worker = Worker::start(Path::new(env!("CARGO_BIN_EXE_worker")), &task);
    let mut watching = database.connection().await;
    let mut own = Journal::default();
    for _ in 0..3 {
        freeze_with_lock(&database, &mut watching, &worker).await;
        let start = Instant::now();
        let wanted = append("account-1");
        let ids = wanted.event_ids();
        let answer = store.append(wanted).await;
        assert!(answer.is_ok(), "{answer:?}");
        assert!(start.elapsed() < 3 * timeout, "{:?}", start.elapsed());
        own.push(Attempt { ids, fate: Fate::of(&answer) });
        worker.thaw();
        // It notices, and goes on.
        let head = store.head().await.unwrap().position;
        until("the frozen one goes on", || async { (store.head().await.unwrap().position > head).then_some(()) }).await;
    }
    worker.tell_to_end();
    worker.ended().await;
    let log = log(&store).await.iter().map(LoggedEvent::from).collect();
    let verdict =
        check(&History { log, journals: vec![own, Journal::read(&journal).unwrap()], observations: Vec::new() });
    println!("{verdict}");
    verdict.assert_sound();
}

/// An appender that holds the lock, and that the server waits for.
const WITH_LOCK: &str = "state = 'idle in transaction' and exists (
    select from pg_locks where pg_locks.pid = pg_stat_activity.pid and locktype = 'advisory' and granted)";

/// Stops the worker at a moment when its session holds the append lock and waits for its next statement.
async fn freeze_with_lock(database: &Database, watching: &mut PgConnection, worker: &Worker) {
    for _ in 0..100 {
        database.appender(watching, WITH_LOCK).await;
        worker.freeze();
        // What it sent before it stopped still arrives, on the delayed way.
        let start = Instant::now();
        let mut held = true;
        while held && start.elapsed() < Duration::from_millis(200) {
            held = database.has_appender(watching, WITH_LOCK).await;
        }
        if held {
            return;
        }
        worker.thaw();
    }
    panic!("the worker was never caught with the lock");
}
