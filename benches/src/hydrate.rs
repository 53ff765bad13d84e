//! The state of one aggregate with a long history.

use std::time::Instant;

use cqrs_core::{EventSet, SnapshotQuery, StreamName};
use futures::TryStreamExt;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::Error;
use crate::measure::{Measured, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::{Opened, Store};
use crate::workload::{Account, AccountEvent};

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Events of the aggregate.
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// Loads of each kind, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    let opened = options.store.open().await?;
    report.note(&format!("writing {} events", options.events));
    opened.fill(options.events, 1).await?;
    wait_for_snapshot(&opened).await?;
    let (mut folded, mut snapshot, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        folded.push(timed(&opened.plain, options.events).await?);
        snapshot.push(timed(&opened.with_snapshots, options.events).await?);
        if opened.database.is_some() {
            rows.push(bare_rows(&opened, options.events).await?);
        }
    }
    let (folded, snapshot, rows) = (median(&folded), median(&snapshot), median(&rows));
    for (subject, measured, baseline) in [
        ("fold", folded, rows.map(|rows| ("select through sqlx, decoded", rows))),
        ("snapshot", snapshot, folded.map(|folded| ("fold", folded))),
    ] {
        let measured = measured.ok_or("no rounds")?;
        report.line(&Line {
            bench: "hydrate",
            subject: format!("{} {subject}", options.store.name()),
            per_second: measured.per_second,
            p50_ms: measured.p50_ms,
            p99_ms: measured.p99_ms,
            parameters: parameters([("events", json!(options.events)), ("rounds", json!(options.rounds))]),
            baseline: baseline.map(|(name, baseline)| Baseline {
                baseline: name.to_owned(),
                baseline_per_second: baseline.per_second,
                ratio: measured.per_second / baseline.per_second,
            }),
        })?;
    }
    opened.close().await
}

/// The first load takes the snapshot in the background; the wait is for it to be there.
async fn wait_for_snapshot(opened: &Opened) -> Result<(), Error> {
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let begun = Instant::now();
        let loaded = opened.with_snapshots.load(&"0".to_owned()).await?.ok_or("no account")?;
        let version = loaded.version;
        if opened.snapshot_at(version).await? || loaded.version.get() < 1_000 {
            return Ok(());
        }
        if begun > deadline {
            return Err("no snapshot was taken".into());
        }
        tokio::task::yield_now().await;
    }
}

async fn timed(accounts: &cqrs_core::Repository<Account>, events: u64) -> Result<Measured, Error> {
    let begun = Instant::now();
    let loaded = accounts.load(&"0".to_owned()).await?.ok_or("no account")?;
    if loaded.state.entries != events {
        return Err(format!("{} entries, {events} were written", loaded.state.entries).into());
    }
    Ok(measured(begun, events))
}

async fn bare_rows(opened: &Opened, events: u64) -> Result<Measured, Error> {
    let database = opened.database.as_ref().ok_or("no database")?;
    let mut connection = PgConnection::connect(&database.url).await?;
    let sql =
        format!("select event_type, payload::text from {}.events where stream = $1 order by version", database.schema);
    let begun = Instant::now();
    let mut decoded: Vec<AccountEvent> = Vec::new();
    let (mut balance, mut count) = (Account::default(), 0);
    {
        let mut rows = sqlx::query(AssertSqlSafe(sql)).bind("account-0").fetch(&mut connection);
        while let Some(row) = rows.try_next().await? {
            let (event_type, payload): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            <AccountEvent as EventSet>::decode(event_type, payload.as_bytes(), &mut decoded)?;
            for event in decoded.drain(..) {
                cqrs_core::Apply::apply(&mut balance, &event);
                count += 1;
            }
        }
    }
    let measured = measured(begun, events);
    connection.close().await?;
    if count != events || balance.entries != events {
        return Err(format!("{count} rows, {events} were written").into());
    }
    Ok(measured)
}

fn measured(begun: Instant, events: u64) -> Measured {
    let seconds = begun.elapsed().as_secs_f64();
    let milliseconds = Some(seconds * 1_000.0);
    Measured { per_second: events as f64 / seconds, p50_ms: milliseconds, p99_ms: milliseconds }
}

impl Opened {
    async fn snapshot_at(&self, version: cqrs_core::Version) -> Result<bool, Error> {
        let query = SnapshotQuery {
            stream: StreamName::of("account", &0)?,
            as_of: None,
            state_version: 1,
            fingerprint: <AccountEvent as cqrs_core::DomainEvent>::FINGERPRINT,
        };
        Ok(self.snapshots.newest(&query).await?.is_some_and(|snapshot| snapshot.version == version))
    }
}
