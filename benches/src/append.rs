//! Appends by many callers at once.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Append, EventStore, ExpectedVersion, StreamName, Version};
use serde_json::json;

use crate::Error;
use crate::measure::{Measured, load, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::Store;
use crate::workload::new_event;

mod pgbench;
mod plain_insert;
mod processes;
mod sqlite;

pub use processes::Part;

/// Connections of the baseline, besides one per appender; the better of the two counts.
const CONNECTIONS: usize = 24;
/// Connections of the baseline at most, so that it fits into a server's usual limit.
const MAX_CONNECTIONS: usize = 256;

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Callers at once in each process, each appending to a stream of its own, with the expected version.
    #[arg(long, default_value_t = 64)]
    appenders: usize,
    /// Events in one append.
    #[arg(long, default_value_t = 1)]
    events: usize,
    /// Processes that append at once, on PostgreSQL; their rates are added up, the latencies are those of the slowest.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    processes: u64,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Runs of subject and baseline, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    if options.processes > 1 && options.store != Store::Postgres {
        return Err("several processes append to PostgreSQL only".into());
    }
    let mut subject = Vec::new();
    let mut plain: Vec<(usize, Vec<Measured>)> = Vec::new();
    let mut pgbench = Vec::new();
    for round in 1..=options.rounds {
        let measured = options.subject().await?;
        report.note(&format!("round {round}: {:.0} events/s", measured.per_second));
        subject.push(measured);
        for connections in options.plain_connections() {
            let measured = match options.store {
                Store::Sqlite => sqlite::plain_insert(&options, options.duration()).await?,
                _ => options.plain_insert(connections).await?,
            };
            report
                .note(&format!("round {round}: {:.0} events/s plain, {connections} connections", measured.per_second));
            match plain.iter_mut().find(|(of, _)| *of == connections) {
                Some((_, runs)) => runs.push(measured),
                None => plain.push((connections, vec![measured])),
            }
        }
        if options.store == Store::Postgres {
            pgbench.extend(pgbench::single_row_insert(options.clients(), options.seconds).await?);
        }
    }
    let best = plain
        .iter()
        .filter_map(|(connections, runs)| Some((*connections, median(runs)?)))
        .max_by(|(_, one), (_, other)| one.per_second.total_cmp(&other.per_second));
    let subject = median(&subject).ok_or("no rounds")?;
    options.line(options.store.name(), options.events, subject, best, report)?;
    match median(&pgbench) {
        Some(pgbench) => options.line("pgbench, single-row insert", 1, pgbench, None, report),
        None => Ok(()),
    }
}

impl Options {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn clients(&self) -> usize {
        (self.appenders * self.processes as usize).min(MAX_CONNECTIONS)
    }

    fn plain_connections(&self) -> Vec<usize> {
        let mut connections = match self.store {
            Store::Memory => vec![],
            Store::Postgres => vec![CONNECTIONS, self.clients()],
            Store::Sqlite => vec![1],
        };
        connections.dedup();
        connections
    }

    async fn subject(&self) -> Result<Measured, Error> {
        let opened = self.store.open().await?;
        let measured = match &opened.database {
            Some(database) if self.processes > 1 => processes::together(self.parts(&database.schema, None)).await?,
            _ => {
                let store = Arc::clone(&opened.store);
                group_append(store, self.appenders, self.events as u64, 0, self.duration()).await?
            }
        };
        opened.close().await?;
        Ok(measured)
    }

    async fn plain_insert(&self, connections: usize) -> Result<Measured, Error> {
        let database = plain_insert::create_table().await?;
        let each = connections.div_ceil(self.processes as usize);
        let mut parts = self.parts(&database.schema, Some(each));
        let measured = match parts.pop() {
            Some(part) if parts.is_empty() => part.run(ready(Ok(()))).await?,
            last => processes::together(parts.into_iter().chain(last).collect()).await?,
        };
        database.drop_schema().await?;
        Ok(measured)
    }

    /// What each process does in the schema.
    fn parts(&self, schema: &str, plain_connections: Option<usize>) -> Vec<Part> {
        (0..self.processes as usize)
            .map(|number| Part {
                schema: schema.to_owned(),
                plain_connections,
                appenders: self.appenders,
                events: self.events as u64,
                first: number * self.appenders,
                seconds: self.seconds,
            })
            .collect()
    }

    fn line(
        &self,
        subject: &str,
        events: usize,
        measured: Measured,
        plain: Option<(usize, Measured)>,
        report: &Report,
    ) -> Result<(), Error> {
        report.line(&Line {
            bench: "append",
            subject: subject.to_owned(),
            per_second: measured.per_second,
            p50_ms: measured.p50_ms,
            p99_ms: measured.p99_ms,
            parameters: parameters([
                ("appenders", json!(self.appenders)),
                ("events", json!(events)),
                ("processes", json!(self.processes)),
                ("seconds", json!(self.seconds)),
                ("rounds", json!(self.rounds)),
            ]),
            baseline: plain.map(|(connections, plain)| Baseline {
                baseline: format!("one plain insert per append, {connections} connections"),
                baseline_per_second: plain.per_second,
                ratio: measured.per_second / plain.per_second,
            }),
        })
    }
}

/// Each appender has a stream of its own, the first of them that with the number `first`; none of them has events yet.
pub async fn group_append(
    store: Arc<dyn EventStore>,
    appenders: usize,
    events: u64,
    first: usize,
    duration: Duration,
) -> Result<Measured, Error> {
    load(appenders, duration, move |caller, call| {
        let store = Arc::clone(&store);
        async move {
            let stream = StreamName::of("account", &(first + caller))?;
            let head = Version::new(call * events);
            let new: Result<Vec<_>, Error> =
                (0..events).map(|index| new_event(&stream, call * events + index)).collect();
            store.append(Append::new(new?).expect(stream, ExpectedVersion::of(head))).await?;
            Ok(events)
        }
    })
    .await
}
