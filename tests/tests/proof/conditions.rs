//! Many processes append at once on the condition that nothing new matches what they have read; afterwards the log is asked
//! whether each condition held.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cqrs_tests::checker::{History, LoggedEvent, check};
use cqrs_tests::conditions::{GuardedEvent, broken};
use cqrs_tests::database::{Database, log};
use cqrs_tests::journal::Journal;
use cqrs_tests::worker::{Place, Task, Worker};

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker");
const PROCESSES: usize = 40;
const BATCHES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn forty_processes_write_ten_batches_each_and_every_condition_held() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let database = Database::new();
    let store = database.migrated().await;
    let directory = tempfile::tempdir().unwrap();
    let place =
        Place { url: database.url.clone(), schema: database.schema.clone(), attempt_timeout: Duration::from_secs(30) };
    let journals: Vec<PathBuf> = (0..PROCESSES).map(|number| directory.path().join(number.to_string())).collect();
    let start = |(number, journal): (u64, &PathBuf)| {
        let (store, journal) = (place.clone(), journal.clone());
        Worker::start(
            Path::new(PROGRAM),
            &Task::Decide { store, journal, seed: seed ^ (number << 32), batches: BATCHES },
        )
    };
    let workers: Vec<Worker> = (0..).zip(&journals).map(start).collect();
    for worker in workers {
        worker.ended().await;
    }
    let log = log(&store).await;
    let guarded: Vec<GuardedEvent> = log.iter().filter_map(GuardedEvent::of).collect();
    assert_eq!(guarded.len(), log.len(), "every event says on what it was written");
    assert_eq!(broken(&guarded), []);
    let journals: Vec<Journal> = journals.iter().map(|path| Journal::read(path).unwrap()).collect();
    let log = log.iter().map(LoggedEvent::from).collect();
    let verdict = check(&History { log, journals, observations: Vec::new() });
    println!("{verdict}");
    verdict.assert_sound();
    assert_eq!(verdict.acknowledged, PROCESSES * BATCHES);
    assert!(verdict.refused >= PROCESSES - 1, "all but one were too late for the first course: {verdict}");
}
