//! A process that stops in the middle of a transaction, with the lock.

use std::path::Path;
use std::time::{Duration, Instant};

use cqrs_core::{
    EventId, EventStore, EventType, GlobalPosition, ImportError, ImportEvents, Payload, RecordedEvent, StreamName,
    Timestamp, Version,
};
use cqrs_tests::checker::{History, LoggedEvent, check};
use cqrs_tests::database::{Database, append, log};
use cqrs_tests::journal::{Attempt, Fate, Journal};
use cqrs_tests::proxy::Proxy;
use cqrs_tests::wait::until;
use cqrs_tests::worker::{Place, Task, Worker};
use sqlx::{PgConnection, Row};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_freezes_with_the_lock_delays_others_no_longer_than_its_timeout() {
    let database = Database::new();
    let store = database.migrated().await;
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    let timeout = Duration::from_secs(1);
    let proxy = Proxy::before_service(&database.url).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_lost_in_the_middle_of_its_copy_delays_others_no_longer_than_its_timeout() {
    let database = Database::new();
    let store = database.migrated().await;
    let proxy = Proxy::before_service(&database.url).await;
    let options = database.options_at(&proxy.url(&database.url)).attempt_timeout(Duration::from_secs(2));
    let importing = options.connect().await.unwrap();
    let history = history(20_000);
    // Piece by piece, so that it can be lost in between.
    proxy.delay(Duration::from_millis(20));
    let import = tokio::spawn({
        let (importing, history) = (importing.clone(), history.clone());
        async move { importing.import(history).await }
    });
    let mut watching = database.connection().await;
    let copying = "select count(*) from pg_stat_activity
                    where application_name = 'cqrs:{schema}' and state = 'active' and query like 'copy %'";
    while sqlx::raw_sql(database.sql(copying)).fetch_one(&mut watching).await.unwrap().get::<i64, _>(0) == 0 {}
    proxy.black_hole();
    let error = import.await.unwrap().unwrap_err();
    assert!(matches!(error, ImportError::Unknown(_)), "{error:?}");
    store.append(append("account-1")).await.unwrap();
    proxy.pass();
    let refused = importing.import(history).await.unwrap_err();
    assert!(matches!(refused, ImportError::Position { .. }), "nothing of it was taken in: {refused:?}");
    assert_eq!(log(&store).await.len(), 1);
}

/// Events that somebody else recorded, some 5 MB.
fn history(count: u64) -> Vec<RecordedEvent> {
    let stream = StreamName::new("account-history").unwrap();
    let event = |number: u64| RecordedEvent {
        id: EventId::new(),
        event_type: EventType::new("account.opened.v1").unwrap(),
        stream: stream.clone(),
        version: Version::new(number).unwrap(),
        position: GlobalPosition::new(number),
        recorded_at: Timestamp::from_micros(number as i64),
        occurred_at: None,
        payload: Payload::from_bytes(format!(r#"{{"owner":"{}"}}"#, "x".repeat(200))),
        metadata: Payload::from_bytes(&b"{}"[..]),
    };
    (1..=count).map(event).collect()
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
