//! Processes that work on a store while a test does them harm: writers that keep a journal, readers that keep an
//! observation, and strangers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a worker fails by panicking, and its test with it")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use cqrs_core::GlobalPosition;
use cqrs_postgres::PgOptions;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::server::signal;
use crate::sink::Sink;
use crate::wait::{AT_MOST, within};

mod decider;
mod projector;
mod reader;
mod stranger;
mod writer;

/// What a worker process does until its standard input ends (a decider: until all is written; a reader: until it was given an event of category `end`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Task {
    /// Appends of every kind by several callers at once.
    Write {
        /// The store.
        store: Place,
        /// Where the journal goes.
        journal: PathBuf,
        /// What it does follows from this number.
        seed: u64,
        /// How many callers.
        callers: u64,
    },
    /// So many appends, each on the condition that nothing new matches what was read, and tried until it is written.
    Decide {
        /// The store.
        store: Place,
        /// Where the journal goes.
        journal: PathBuf,
        /// What it does follows from this number.
        seed: u64,
        /// How many appends.
        batches: usize,
    },
    /// Pairs of one append, sent together, so that each needs the long transaction.
    WriteSlowly {
        /// The store.
        store: Place,
        /// Where the journal goes.
        journal: PathBuf,
    },
    /// Follows the log.
    Read {
        /// The store.
        store: Place,
        /// Where the observation goes.
        observation: PathBuf,
        /// By pages, rather than by a subscription.
        pages: bool,
    },
    /// Projects sheets and cards, and shares them with others.
    Project {
        /// The store.
        store: Place,
        /// Where the documents go.
        sink: Sink,
        /// How long the sink's answers may take.
        timeout: Duration,
        /// How many partitions.
        partitions: u16,
        /// The lease time.
        lease_time: Duration,
        /// What the member's name begins with.
        label: String,
    },
    /// Rebuilds the projection of the ledger, alone, and ends.
    Rebuild {
        /// The store.
        store: Place,
        /// Where the documents go.
        sink: Sink,
        /// How many partitions.
        partitions: u16,
        /// How fast.
        events_per_second: u32,
        /// Where the number of events goes that are folded and written.
        progress: PathBuf,
    },
    /// Transactions that idle, and sessions that hold the append lock for a while.
    Disturb {
        /// The store.
        store: Place,
        /// What it does follows from this number.
        seed: u64,
    },
}

/// Where a store is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// The address of the database.
    pub url: String,
    /// The schema.
    pub schema: String,
    /// How long one attempt to write may take.
    pub attempt_timeout: Duration,
}

impl Place {
    fn options(&self) -> PgOptions {
        let options = PgOptions::new(&self.url).unwrap().schema(&self.schema).unwrap();
        options.read_connections(1).attempt_timeout(self.attempt_timeout).poll(Duration::from_millis(50))
    }
}

/// What a process that projects is asked, as a line of JSON; it answers with a number.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    /// To wait for a position.
    Reach(GlobalPosition),
    /// How many failures there were.
    Failures,
    /// How many partitions are its own.
    Owned,
}

/// Does the task that the program's argument names.
///
/// # Panics
/// When the argument is none, or the task fails.
pub fn main() {
    let task = std::env::args().nth(1).expect("the task, as JSON");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match serde_json::from_str(&task).unwrap() {
        Task::Write { store, journal, seed, callers } => {
            runtime.block_on(writer::write(store, &journal, seed, callers));
        }
        Task::Decide { store, journal, seed, batches } => {
            runtime.block_on(decider::decide(store, &journal, seed, batches));
        }
        Task::WriteSlowly { store, journal } => runtime.block_on(writer::write_slowly(store, &journal)),
        Task::Read { store, observation, pages } => runtime.block_on(reader::read(store, &observation, pages)),
        Task::Project { store, sink, timeout, partitions, lease_time, label } => {
            runtime.block_on(projector::project(store, sink, timeout, partitions, lease_time, label));
        }
        Task::Rebuild { store, sink, partitions, events_per_second, progress } => {
            runtime.block_on(projector::rebuild(store, sink, partitions, events_per_second, progress));
        }
        Task::Disturb { store, seed } => runtime.block_on(stranger::disturb(store, seed)),
    }
    // What still waits for a lock or a server is not waited for.
    runtime.shutdown_background();
}

/// Ends when standard input does: when the test says so, or is gone.
async fn told_to_end() {
    let mut questions = questions();
    while questions.recv().await.is_some() {}
}

/// The lines of standard input.
fn questions() -> mpsc::UnboundedReceiver<String> {
    let (sender, questions) = mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    questions
}

/// A running worker, killed when it is dropped.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    /// Taken while an answer is waited for.
    answers: Option<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts one.
    ///
    /// # Panics
    /// When `program` cannot be started.
    #[must_use]
    pub fn start(program: &Path, task: &Task) -> Self {
        let task = serde_json::to_string(task).unwrap();
        let mut process = Command::new(program).arg(task).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = process.stdout.take().map(BufReader::new);
        Self { process, answers }
    }

    /// Waits until everything that it projects reflects the log up to `position`, wherever that is written.
    ///
    /// # Panics
    /// When it projects nothing, or the position is not reached within a minute.
    pub async fn reaches(&mut self, position: GlobalPosition) {
        self.ask(&Question::Reach(position)).await;
    }

    /// How many failures have been followed by another attempt since it began to project.
    ///
    /// # Panics
    /// When it projects nothing.
    pub async fn failures(&mut self) -> u64 {
        self.ask(&Question::Failures).await
    }

    /// How many partitions it writes.
    ///
    /// # Panics
    /// When it projects nothing.
    pub async fn owned(&mut self) -> u64 {
        self.ask(&Question::Owned).await
    }

    async fn ask(&mut self, question: &Question) -> u64 {
        let question = serde_json::to_string(question).unwrap();
        writeln!(self.process.stdin.as_mut().expect("it was not told to end"), "{question}").unwrap();
        let mut answers = self.answers.take().expect("one question at a time");
        let read = tokio::task::spawn_blocking(move || {
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            (answers, answer)
        });
        let (answers, answer) = within("the worker answers", 2 * AT_MOST, read).await.unwrap();
        self.answers = Some(answers);
        answer.trim().parse().unwrap_or_else(|_| panic!("the worker failed when it was asked {question}"))
    }

    /// Ends it in the middle of whatever it does.
    ///
    /// # Panics
    /// When it ended before.
    pub fn kill(mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "the worker ended by itself");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Stops it in the middle of whatever it does, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        signal(&self.process, Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(&self.process, Signal::CONT);
    }

    /// Tells it to end.
    pub fn tell_to_end(&mut self) {
        drop(self.process.stdin.take());
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it failed, or does not end within a minute.
    pub async fn ended(mut self) {
        let status = crate::wait::until("the worker ends", || {
            let status = self.process.try_wait().unwrap();
            async move { status }
        });
        let status = status.await;
        assert!(status.success(), "the worker failed: {status}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
