//! Callers and a reader within the test, and what they are witnesses of.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cqrs_core::{Append, AppendError, EventStore, Filter, GlobalPosition, Head};
use cqrs_postgres::PgEventStore;
use cqrs_tests::checker::{History, LoggedEvent, Verdict, check};
use cqrs_tests::database::{append, event, log};
use cqrs_tests::journal::{Fate, Journal, JournalWriter, Observation};
use cqrs_tests::wait::{AT_MOST, until, within};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Appends of several callers to one store, each noted before and after.
pub struct Witness {
    store: PgEventStore,
    shared: Arc<Shared>,
    path: PathBuf,
    _directory: TempDir,
    callers: Vec<JoinHandle<()>>,
    reader: JoinHandle<Observation>,
}

struct Shared {
    journal: JournalWriter,
    ending: AtomicBool,
    acknowledged: AtomicUsize,
    unanswered: AtomicUsize,
    /// The longest that a caller has waited for an answer, in milliseconds.
    longest: AtomicUsize,
}

impl Witness {
    /// Starts the callers, and a reader on the same store.
    pub fn start(store: &PgEventStore, callers: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let shared = Arc::new(Shared {
            journal: JournalWriter::create(&path).unwrap(),
            ending: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            longest: AtomicUsize::new(0),
        });
        let callers = (0..callers).map(|caller| tokio::spawn(call(store.clone(), Arc::clone(&shared), caller)));
        Self {
            callers: callers.collect(),
            reader: tokio::spawn(follow(store.clone())),
            store: store.clone(),
            shared,
            path,
            _directory: directory,
        }
    }

    /// Waits until so many more appends are acknowledged.
    pub async fn acknowledged(&self, more: usize) {
        let wanted = self.shared.acknowledged.load(Ordering::Acquire) + more;
        until("appends are acknowledged", || async {
            (self.shared.acknowledged.load(Ordering::Acquire) >= wanted).then_some(())
        })
        .await;
    }

    /// Waits until so many more appends have failed for want of an answer.
    pub async fn unanswered(&self, more: usize) {
        let wanted = self.shared.unanswered.load(Ordering::Acquire) + more;
        until("appends fail", || async { (self.shared.unanswered.load(Ordering::Acquire) >= wanted).then_some(()) })
            .await;
    }

    /// The longest that a caller has waited for an answer to an append.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.shared.longest.load(Ordering::Acquire) as u64)
    }

    /// Ends everything and judges it by the log, as another store reads it.
    pub async fn verdict(self, other: &PgEventStore) -> Verdict {
        self.shared.ending.store(true, Ordering::Release);
        for caller in self.callers {
            within("a caller has ended", AT_MOST, caller).await.unwrap();
        }
        let last = append("end-1");
        let number = self.shared.journal.attempted(&last).unwrap();
        let answer = self.store.append(last).await;
        self.shared.journal.told(number, Fate::of(&answer)).unwrap();
        answer.expect("the store works in the end");
        let observation = within("the reader comes to the end", AT_MOST, self.reader).await.unwrap();
        let history = History {
            log: log(other).await.iter().map(LoggedEvent::from).collect(),
            journals: vec![Journal::read(&self.path).unwrap()],
            observations: vec![observation],
        };
        let verdict = check(&history);
        println!("{verdict}");
        verdict
    }
}

async fn call(store: PgEventStore, shared: Arc<Shared>, caller: usize) {
    let mut round = 0;
    while !shared.ending.load(Ordering::Acquire) {
        round += 1;
        let own = format!("account-{caller}");
        let append = match round % 3 {
            0 => Append::new(vec![event(&own), event("account-all"), event(&own)]),
            _ => append(&own),
        };
        let number = shared.journal.attempted(&append).unwrap();
        let start = Instant::now();
        let answer = store.append(append.clone()).await;
        shared.longest.fetch_max(start.elapsed().as_millis() as usize, Ordering::AcqRel);
        shared.journal.told(number, Fate::of(&answer)).unwrap();
        match answer {
            Ok(_) => {
                shared.acknowledged.fetch_add(1, Ordering::AcqRel);
            }
            Err(AppendError::Unknown { .. }) => {
                shared.unanswered.fetch_add(1, Ordering::AcqRel);
                // Sometimes nobody asks, and it stays open.
                if round % 2 == 0 {
                    let outcome = store.outcome(&append.event_ids()).await;
                    shared.journal.told(number, Fate::of_outcome(&outcome)).unwrap();
                }
            }
            Err(AppendError::Transient(_)) => {
                shared.unanswered.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn follow(store: PgEventStore) -> Observation {
    let mut observation = Observation { reader: "reader".to_owned(), ..Observation::default() };
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    loop {
        match subscription.next().await {
            Ok(page) => {
                observation.seen(page.events.iter().map(|event| (event.position, event.id)), page.scanned_to);
                if page.events.iter().any(|event| event.stream.category() == "end") {
                    return observation;
                }
            }
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

/// The head of the log, as soon as it can be read.
pub async fn head(store: &PgEventStore) -> Head {
    until("the head can be read", || async {
        match store.head().await {
            Ok(head) => Some(head),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                None
            }
        }
    })
    .await
}
