//! The whole log from its start.

use std::sync::Arc;
use std::time::Instant;

use cqrs_core::{EventStore, GlobalPosition, ReadAhead, ReadAll, Recorded};
use futures::TryStreamExt;
use serde_json::json;
use sqlx::postgres::PgPoolCopyExt;

use crate::Error;
use crate::measure::{Measured, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::{Opened, Store};
use crate::workload::AccountEvent;

/// Readers that read ranges of the log side by side.
const READERS: u64 = 4;

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Events in the log.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Streams in the log.
    #[arg(long, default_value_t = 20_000)]
    streams: u64,
    /// Events in a page.
    #[arg(long, default_value_t = 5_000)]
    page: usize,
    /// Scans of each kind, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    let opened = options.store.open().await?;
    report.note(&format!("writing {} events", options.events));
    opened.fill(options.events, options.streams).await?;
    let (mut pages, mut ranges, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        pages.push(scan(&opened, &options, 1).await?);
        ranges.push(scan(&opened, &options, READERS).await?);
        if opened.database.is_some() {
            copies.push(copy(&opened, options.events).await?);
        }
    }
    for (readers, runs) in [(1, pages), (READERS, ranges)] {
        let subject = median(&runs).ok_or("no rounds")?;
        report.line(&Line {
            bench: "catchup",
            subject: format!("{}, decoded", options.store.name()),
            per_second: subject.per_second,
            p50_ms: None,
            p99_ms: None,
            parameters: parameters([
                ("readers", json!(readers)),
                ("events", json!(options.events)),
                ("streams", json!(options.streams)),
                ("page", json!(options.page)),
                ("rounds", json!(options.rounds)),
            ]),
            baseline: median(&copies).map(|copy| Baseline {
                baseline: "binary COPY of the same rows, not decoded".to_owned(),
                baseline_per_second: copy.per_second,
                ratio: subject.per_second / copy.per_second,
            }),
        })?;
    }
    opened.close().await
}

/// Reads the log in as many ranges of positions as there are readers.
async fn scan(opened: &Opened, options: &Options, readers: u64) -> Result<Measured, Error> {
    let begun = Instant::now();
    let mut ranges = tokio::task::JoinSet::new();
    for reader in 0..readers {
        let bound = |part: u64| GlobalPosition::new(options.events * part / readers);
        let range = ReadAll::after(bound(reader)).until(bound(reader + 1)).limit(options.page);
        ranges.spawn(scan_range(Arc::clone(&opened.store), range));
    }
    let mut count = 0;
    while let Some(part) = ranges.join_next().await {
        count += part??;
    }
    if count != options.events {
        return Err(format!("{count} events read, {} were written", options.events).into());
    }
    Ok(rate(begun, options.events))
}

async fn scan_range(store: Arc<dyn EventStore>, read: ReadAll) -> Result<u64, Error> {
    let mut pages = ReadAhead::new(store, read);
    let mut count = 0;
    loop {
        let page = pages.next().await?;
        count += Recorded::<AccountEvent>::decode_all(page.events)?.len() as u64;
        if !page.more {
            return Ok(count);
        }
    }
}

async fn copy(opened: &Opened, events: u64) -> Result<Measured, Error> {
    let database = opened.database.as_ref().ok_or("no database")?;
    let pool = sqlx::PgPool::connect(&database.url).await?;
    let statement = format!(
        "copy (select position, event_id, stream, version, event_type, recorded_at, occurred_at, payload, metadata
                 from {}.events order by position) to stdout (format binary)",
        database.schema
    );
    let begun = Instant::now();
    let mut bytes = 0;
    {
        let mut chunks = pool.copy_out_raw(&statement).await?;
        while let Some(chunk) = chunks.try_next().await? {
            bytes += chunk.len();
        }
    }
    let measured = rate(begun, events);
    pool.close().await;
    if bytes == 0 {
        return Err("nothing was copied".into());
    }
    Ok(measured)
}

fn rate(begun: Instant, events: u64) -> Measured {
    let seconds = begun.elapsed().as_secs_f64();
    let milliseconds = Some(seconds * 1_000.0);
    Measured { per_second: events as f64 / seconds, p50_ms: milliseconds, p99_ms: milliseconds }
}
