//! Read models: how fast they are filled from a long log, and how far they lag behind.

use std::time::{Duration, Instant};

use cqrs_projections::Projections;
use serde_json::{Map, Value, json};

mod counted;
mod elasticsearch;
mod lag;
mod place;
mod postgres;
mod redis;
mod statement;

use counted::Counted;
use place::Sink;
use statement::{Oracle, PROJECTION, Statements, account};

use crate::Error;
use crate::measure::{Measured, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::{Opened, Store};

/// Longer than any run.
const DONE: Duration = Duration::from_secs(24 * 3_600);

#[derive(clap::Args)]
pub struct Options {
    /// What the documents are written to.
    #[arg(long, value_enum, default_value = "redis")]
    sink: Sink,
    /// The store of the events.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Events in the log.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Documents that they touch, one each, at random.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    documents: u64,
    /// Partitions of the documents, each measured for itself.
    #[arg(long, value_delimiter = ',', default_value = "1,4")]
    partitions: Vec<u16>,
    /// Documents that the bare client writes in one request or transaction (1,000 in a `_bulk`).
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Events that a rebuild folds and writes together; its default otherwise.
    #[arg(long)]
    rebuild_batch: Option<usize>,
    /// Events of which the bare client writes a document each.
    #[arg(long, default_value_t = 100_000)]
    bare_events: u64,
    /// Runs of subject and baseline, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measure the lag behind so many appends per second instead.
    #[arg(long)]
    lag: Option<u32>,
    /// Seconds of appends when the lag is measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Callers that append when the lag is measured.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    appenders: u32,
}

/// A log that was brought into documents once.
#[derive(Clone, Copy)]
struct Filled {
    events: Measured,
    documents: Measured,
}

/// What was measured with one number of partitions.
struct Filling {
    partitions: u16,
    live: Vec<Filled>,
    rebuild: Vec<Filled>,
}

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    if let Some(rate) = options.lag {
        return lag::run(&options, rate, report).await;
    }
    let opened = options.store.open().await?;
    report.note(&format!("writing {} events", options.events));
    opened.fill_by(options.events, options.documents, |number| account(number, options.documents)).await?;
    let oracle = Oracle::new(0..options.events, options.documents, false);
    let filling = |&partitions| Filling { partitions, live: Vec::new(), rebuild: Vec::new() };
    let mut fillings: Vec<_> = options.partitions.iter().map(filling).collect();
    let (mut bare_documents, mut bare_events) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        for filling in &mut fillings {
            let (live, rebuild) = fill(&opened, &options, filling.partitions, &oracle).await?;
            let (partitions, live_rate, rate) = (filling.partitions, live.events.per_second, rebuild.events.per_second);
            report.note(&format!(
                "round {round}, {partitions} partitions: live {live_rate:.0}, rebuild {rate:.0} events/s"
            ));
            filling.live.push(live);
            filling.rebuild.push(rebuild);
        }
        let (documents, events) = bare(&options, &oracle).await?;
        report.note(&format!(
            "round {round}, bare: {:.0} documents/s, one for each event {:.0}",
            documents.per_second, events.per_second
        ));
        bare_documents.push(documents);
        bare_events.push(events);
    }
    opened.close().await?;
    let bare_documents = median(&bare_documents).ok_or("no rounds")?;
    let bare_events = median(&bare_events).ok_or("no rounds")?;
    for (at, filling) in fillings.iter().enumerate() {
        for (what, runs) in [("live", &filling.live), ("rebuild", &filling.rebuild)] {
            let events: Vec<_> = runs.iter().map(|run| run.events).collect();
            let documents: Vec<_> = runs.iter().map(|run| run.documents).collect();
            let line = |unit: &str, runs: &[Measured], baseline: (String, Measured)| {
                options.line(&format!("{what}, {unit}"), filling.partitions, runs, baseline, report)
            };
            line("events", &events, (format!("{}, a document for each event", options.sink.bare()), bare_events))?;
            line("documents", &documents, (format!("{}, the final documents", options.sink.bare()), bare_documents))?;
            if what == "rebuild" && at > 0 {
                let one = &fillings[0];
                let first: Vec<_> = one.rebuild.iter().map(|run| run.events).collect();
                let name = format!("rebuild, partitions {}", one.partitions);
                line("events", &events, (name, median(&first).ok_or("no rounds")?))?;
            }
        }
    }
    Ok(())
}

impl Options {
    fn line(
        &self,
        what: &str,
        partitions: u16,
        runs: &[Measured],
        (name, baseline): (String, Measured),
        report: &Report,
    ) -> Result<(), Error> {
        let measured = median(runs).ok_or("no rounds")?;
        report.line(&Line {
            bench: "project",
            subject: format!("{} {what}", self.sink.name()),
            per_second: measured.per_second,
            p50_ms: None,
            p99_ms: None,
            parameters: self.parameters(partitions),
            baseline: Some(Baseline {
                baseline: name,
                baseline_per_second: baseline.per_second,
                ratio: measured.per_second / baseline.per_second,
            }),
        })
    }

    fn parameters(&self, partitions: u16) -> Map<String, Value> {
        parameters([
            ("store", json!(self.store.name())),
            ("events", json!(self.events)),
            ("documents", json!(self.documents)),
            ("partitions", json!(partitions)),
            ("rounds", json!(self.rounds)),
        ])
    }
}

/// The whole log into an empty read model, by a projection that runs and by a rebuild of it.
async fn fill(opened: &Opened, options: &Options, partitions: u16, oracle: &Oracle) -> Result<(Filled, Filled), Error> {
    let place = options.sink.place().await?;
    let model = Counted::new(place.model());
    let statements = Statements { partitions, with_newest: false };
    let head = opened.store.head().await?.position;
    let begun = Instant::now();
    let running = Projections::new(opened.store.clone()).add(PROJECTION, statements, model.clone()).start().await?;
    running.wait_for(head, DONE).await?;
    let live = filled(begun, options.events, model.take());
    oracle.check(&*place).await?;
    let begun = Instant::now();
    let rebuild = running.rebuild(PROJECTION);
    let rebuilt = match options.rebuild_batch {
        Some(events) => rebuild.batch(events).await?,
        None => rebuild.await?,
    };
    let rebuild = filled(begun, options.events, model.take());
    if rebuilt.events != options.events {
        return Err(format!("{} events were folded, {} are in the log", rebuilt.events, options.events).into());
    }
    oracle.check(&*place).await?;
    running.stop().await;
    place.remove().await?;
    Ok((live, rebuild))
}

fn filled(begun: Instant, events: u64, documents: u64) -> Filled {
    let elapsed = begun.elapsed();
    Filled { events: Measured::of(events, elapsed), documents: Measured::of(documents, elapsed) }
}

/// The final documents into an empty place; then a document for each event.
async fn bare(options: &Options, oracle: &Oracle) -> Result<(Measured, Measured), Error> {
    let place = options.sink.place().await?;
    place.prepare_bare().await?;
    let documents = oracle.writes()?;
    let batch = documents.len().min(usize::try_from(options.batch)?);
    let once: Vec<_> = documents.iter().collect();
    let begun = Instant::now();
    place.write_bare(&once, batch).await?;
    let final_documents = Measured::of(once.len() as u64, begun.elapsed());
    let again: Vec<_> = documents.iter().cycle().take(usize::try_from(options.bare_events)?).collect();
    let begun = Instant::now();
    place.write_bare(&again, batch).await?;
    let each = Measured::of(options.bare_events, begun.elapsed());
    place.remove().await?;
    Ok((final_documents, each))
}
