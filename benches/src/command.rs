//! The whole way of a command: load, handle, append; and many commands on one aggregate.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Repository;
use serde_json::json;

use crate::Error;
use crate::append::group_append;
use crate::measure::{Measured, load, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::Store;
use crate::workload::{Account, Enter};

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Callers at once.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Runs of subject and baseline, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Each caller commands an account of its own, beside the same callers appending without a repository.
pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    let duration = Duration::from_secs(options.seconds);
    let (mut warm, mut cold, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let opened = options.store.open().await?;
        let accounts = opened.plain.clone().cache(100_000);
        warm.push(commands(accounts, options.callers, duration, |caller| caller).await?);
        opened.close().await?;
        let opened = options.store.open().await?;
        cold.push(commands(opened.with_snapshots.clone(), options.callers, duration, |caller| caller).await?);
        opened.close().await?;
        let opened = options.store.open().await?;
        bare.push(group_append(Arc::clone(&opened.store), options.callers, 1, 0, duration).await?);
        opened.close().await?;
    }
    let bare = median(&bare);
    line("command", "with a warm cache", &options, &warm, bare.map(|bare| ("bare appends", bare)), report)?;
    line("command", "without a cache", &options, &cold, bare.map(|bare| ("bare appends", bare)), report)
}

/// All callers command one account, beside one caller who waits for each commit.
pub async fn run_hot(options: Options, report: &Report) -> Result<(), Error> {
    let duration = Duration::from_secs(options.seconds);
    let (mut hot, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let opened = options.store.open().await?;
        hot.push(commands(opened.with_snapshots.clone().cache(1_000), options.callers, duration, |_| 0).await?);
        opened.close().await?;
        let opened = options.store.open().await?;
        alone.push(commands(opened.with_snapshots.clone().cache(1_000), 1, duration, |_| 0).await?);
        opened.close().await?;
    }
    let baseline = median(&alone).map(|alone| ("one commit per command", alone));
    line("hot", "commands on one aggregate", &options, &hot, baseline, report)
}

async fn commands(
    accounts: Repository<Account>,
    callers: usize,
    duration: Duration,
    account: fn(usize) -> usize,
) -> Result<Measured, Error> {
    load(callers, duration, move |caller, call| {
        let accounts = accounts.clone();
        async move {
            accounts.execute(&account(caller).to_string(), Enter(call)).await?;
            Ok(1)
        }
    })
    .await
}

fn line(
    bench: &'static str,
    subject: &str,
    options: &Options,
    runs: &[Measured],
    baseline: Option<(&str, Measured)>,
    report: &Report,
) -> Result<(), Error> {
    let measured = median(runs).ok_or("no rounds")?;
    report.line(&Line {
        bench,
        subject: format!("{} {subject}", options.store.name()),
        per_second: measured.per_second,
        p50_ms: measured.p50_ms,
        p99_ms: measured.p99_ms,
        parameters: parameters([
            ("callers", json!(options.callers)),
            ("seconds", json!(options.seconds)),
            ("rounds", json!(options.rounds)),
        ]),
        baseline: baseline.map(|(name, baseline)| Baseline {
            baseline: name.to_owned(),
            baseline_per_second: baseline.per_second,
            ratio: measured.per_second / baseline.per_second,
        }),
    })
}
