//! Whether appends grow slower as the log grows longer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::Error;
use crate::append::group_append;
use crate::measure::median;
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::Store;

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Events in the log when appends are measured, in ascending order.
    #[arg(long, value_delimiter = ',', default_value = "1000000,5000000")]
    events: Vec<u64>,
    /// Callers at once.
    #[arg(long, default_value_t = 64)]
    appenders: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Runs at each length.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Each length is measured beside an empty log, in turn.
pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    let duration = Duration::from_secs(options.seconds);
    let grown = options.store.open().await?;
    let (mut filled, mut first) = (0, 0);
    for &events in &options.events {
        report.note(&format!("writing up to {events} events"));
        grown.fill(events.saturating_sub(filled), 20_000).await?;
        filled = filled.max(events);
        let (mut long, mut empty) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            let fresh = options.store.open().await?;
            empty.push(group_append(Arc::clone(&fresh.store), options.appenders, 1, 0, duration).await?);
            fresh.close().await?;
            // Streams of their own in each run: every caller begins a new one.
            long.push(group_append(Arc::clone(&grown.store), options.appenders, 1, first + 1_000_000, duration).await?);
            first += options.appenders;
        }
        let (long, empty) = (median(&long).ok_or("no rounds")?, median(&empty).ok_or("no rounds")?);
        report.line(&Line {
            bench: "growth",
            subject: format!("{} with {events} events", options.store.name()),
            per_second: long.per_second,
            p50_ms: long.p50_ms,
            p99_ms: long.p99_ms,
            parameters: parameters([
                ("events", json!(events)),
                ("appenders", json!(options.appenders)),
                ("seconds", json!(options.seconds)),
                ("rounds", json!(options.rounds)),
            ]),
            baseline: Some(Baseline {
                baseline: "an empty log".to_owned(),
                baseline_per_second: empty.per_second,
                ratio: long.per_second / empty.per_second,
            }),
        })?;
    }
    grown.close().await
}
