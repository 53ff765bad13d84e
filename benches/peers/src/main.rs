//! `cargo run --release -p benches -- peers`: the same bank account on other event-sourcing libraries, each as its own
//! documentation sets it up.
//!
//! They run in turn within one call, several times; the medians are printed.

use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde_json::json;
use uuid::Uuid;

mod account;
mod commands;
mod cqrs_es;
mod database;
mod disintegrate_store;
mod esrs_store;
mod evento_store;
#[path = "../../src/measure.rs"]
mod measure;
mod ours;
mod peer;
mod replay;
#[path = "../../src/report.rs"]
mod report;
mod subject;
mod verify;

use database::Database;
use measure::{Measured, median};
use report::{Line, Report, parameters};
use subject::Subject;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The same bank account on other event-sourcing libraries. PostgreSQL is found at DATABASE_URL.
#[derive(Parser)]
struct Arguments {
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
    /// Those alone, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Callers at once, each on accounts of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    callers: Vec<usize>,
    /// Entries of an account before its caller opens the next one.
    #[arg(long, default_value_t = 100)]
    entries: u64,
    /// Entries of the account that is loaded as a whole.
    #[arg(long, default_value_t = 10_000)]
    history: u64,
    /// Connections of each library; unless told those of its documentation.
    #[arg(long)]
    connections: Option<u32>,
    /// Seconds of each run of commands.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Loads of the long account in each round.
    #[arg(long, default_value_t = 3)]
    loads: usize,
    /// Runs of each library, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

const WARM_UP: Duration = Duration::from_secs(1);

/// The runs of one library at one thing.
struct Runs {
    subject: Subject,
    /// None: the long account.
    callers: Option<usize>,
    measured: Vec<Measured>,
    commands: u64,
    conflicts: u64,
    rejections: u64,
    faults: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let report = Report::new(arguments.json);
    let subjects = if arguments.only.is_empty() { Subject::value_variants() } else { &arguments.only };
    let things: Vec<_> = arguments.callers.iter().copied().map(Some).chain([None]).collect();
    let mut all: Vec<_> =
        subjects.iter().flat_map(|subject| things.iter().map(|callers| Runs::new(*subject, *callers))).collect();
    for round in 1..=arguments.rounds {
        for runs in &mut all {
            let database = Database::create(arguments.connections).await?;
            let outcome = runs.add(&arguments, &database).await;
            database.drop().await?;
            if let Err(error) = outcome {
                runs.faults.push(error.to_string());
            }
            let rate = runs.measured.last().map_or(0.0, |measured| measured.per_second);
            report.note(&format!("round {round}: {} {}: {rate:.0}/s", runs.subject.name(), runs.bench()));
        }
    }
    all.iter().try_for_each(|runs| runs.print(&arguments, &report))
}

impl Runs {
    fn new(subject: Subject, callers: Option<usize>) -> Self {
        Self { subject, callers, measured: vec![], commands: 0, conflicts: 0, rejections: 0, faults: vec![] }
    }

    fn bench(&self) -> &'static str {
        if self.callers.is_some() { "peers-command" } else { "peers-replay" }
    }

    async fn add(&mut self, arguments: &Arguments, database: &Database) -> Result<(), Error> {
        let peer = self.subject.start(database, arguments.connections).await?;
        let acknowledged = if let Some(callers) = self.callers {
            // Plans as in a database that is in use: with statistics of its tables.
            let before = commands::run(peer.clone(), callers, arguments.entries, WARM_UP).await?;
            database.analyze().await?;
            let duration = Duration::from_secs(arguments.seconds);
            let mut done = commands::run(peer.clone(), callers, arguments.entries, duration).await?;
            self.measured.push(done.measured);
            self.commands += done.acknowledged.iter().map(|(_, events)| events).sum::<u64>();
            self.conflicts += done.conflicts;
            self.rejections += done.rejections;
            done.acknowledged.extend(before.acknowledged);
            done.acknowledged
        } else {
            let account = Uuid::new_v4();
            replay::write(&*peer, account, arguments.history).await?;
            database.analyze().await?;
            let (entries, loads) = (arguments.history, arguments.loads);
            self.measured.push(replay::run(&*peer, account, entries, loads, &mut self.faults).await?);
            vec![(account, arguments.history + 1)]
        };
        self.faults.extend(verify::faults(&*peer, database, self.subject.table(), &acknowledged).await?);
        Ok(())
    }

    fn print(&self, arguments: &Arguments, report: &Report) -> Result<(), Error> {
        for fault in &self.faults {
            eprintln!("{} {}, {}: {fault}", self.subject.name(), self.subject.version(), self.bench());
        }
        let Some(measured) = median(&self.measured) else { return Ok(()) };
        let mut parameters = parameters([
            ("version", json!(self.subject.version())),
            (
                "connections",
                json!(arguments.connections.map_or_else(|| "default".to_owned(), |count| count.to_string())),
            ),
            ("rounds", json!(arguments.rounds)),
        ]);
        let particular = match self.callers {
            Some(callers) => vec![
                ("callers", json!(callers)),
                ("entries", json!(arguments.entries)),
                ("seconds", json!(arguments.seconds)),
                ("commands", json!(self.commands)),
                ("conflicts", json!(self.conflicts)),
                ("rejections", json!(self.rejections)),
            ],
            None => vec![("events", json!(arguments.history))],
        };
        if !self.faults.is_empty() {
            parameters.insert("faults".to_owned(), json!(self.faults));
        }
        parameters.extend(particular.into_iter().map(|(name, value)| (name.to_owned(), value)));
        report.line(&Line {
            bench: self.bench(),
            subject: self.subject.name(),
            per_second: measured.per_second,
            p50_ms: measured.p50_ms,
            p99_ms: measured.p99_ms,
            parameters,
            baseline: None,
        })
    }
}
