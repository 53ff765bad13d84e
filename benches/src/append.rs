//! Appends by many callers at once.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Append, EventStore, ExpectedVersion, StreamName, Version};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use uuid::Uuid;

use crate::Error;
use crate::database::Database;
use crate::measure::{Measured, load, median};
use crate::report::{Baseline, Line, Report, parameters};
use crate::store::Store;
use crate::workload::{event, new_event};

mod sqlite;

/// Connections of the baseline, besides one per appender; the better of the two counts.
const CONNECTIONS: usize = 24;

#[derive(clap::Args)]
pub struct Options {
    /// The store.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Store,
    /// Callers at once, each appending to a stream of its own, with the expected version.
    #[arg(long, default_value_t = 64)]
    appenders: usize,
    /// Events in one append.
    #[arg(long, default_value_t = 1)]
    events: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Runs of subject and baseline, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub async fn run(options: Options, report: &Report) -> Result<(), Error> {
    let duration = Duration::from_secs(options.seconds);
    let mut subject = Vec::new();
    let mut plain: Vec<(usize, Vec<Measured>)> = Vec::new();
    for round in 1..=options.rounds {
        let opened = options.store.open().await?;
        let measured =
            group_append(Arc::clone(&opened.store), options.appenders, options.events as u64, 0, duration).await?;
        report.note(&format!("round {round}: {:.0} events/s", measured.per_second));
        subject.push(measured);
        opened.close().await?;
        let mut connections = match options.store {
            Store::Memory => vec![],
            Store::Postgres => vec![CONNECTIONS, options.appenders],
            Store::Sqlite => vec![1],
        };
        connections.dedup();
        for connections in connections {
            let measured = match options.store {
                Store::Sqlite => sqlite::plain_insert(&options, duration).await?,
                _ => plain_insert(&options, connections, duration).await?,
            };
            report
                .note(&format!("round {round}: {:.0} events/s plain, {connections} connections", measured.per_second));
            match plain.iter_mut().find(|(of, _)| *of == connections) {
                Some((_, runs)) => runs.push(measured),
                None => plain.push((connections, vec![measured])),
            }
        }
    }
    let subject = median(&subject).ok_or("no rounds")?;
    let best = plain
        .iter()
        .filter_map(|(connections, runs)| Some((*connections, median(runs)?)))
        .max_by(|(_, one), (_, other)| one.per_second.total_cmp(&other.per_second));
    report.line(&Line {
        bench: "append",
        subject: options.store.name().to_owned(),
        per_second: subject.per_second,
        p50_ms: Some(subject.p50_ms),
        p99_ms: Some(subject.p99_ms),
        parameters: parameters([
            ("appenders", json!(options.appenders)),
            ("events", json!(options.events)),
            ("seconds", json!(options.seconds)),
            ("rounds", json!(options.rounds)),
        ]),
        baseline: best.map(|(connections, measured)| Baseline {
            baseline: format!("one plain insert per append, {connections} connections"),
            baseline_per_second: measured.per_second,
            ratio: subject.per_second / measured.per_second,
        }),
    })
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

/// What most libraries do: an identity column, and a unique index that decides. The events of an append go in one insert.
async fn plain_insert(options: &Options, connections: usize, duration: Duration) -> Result<Measured, Error> {
    let database = Database::from_environment()?;
    database
        .execute(
            "create schema {schema};
             create table {schema}.events (
                 position bigint generated always as identity primary key,
                 event_id uuid not null unique,
                 stream text collate \"C\" not null,
                 version bigint not null,
                 event_type text collate \"C\" not null,
                 recorded_at timestamptz not null default clock_timestamp(),
                 occurred_at timestamptz,
                 payload json not null,
                 metadata json not null,
                 unique (stream, version));
             create index on {schema}.events (event_type, position);",
        )
        .await?;
    let pool = PgPoolOptions::new()
        .max_connections(u32::try_from(connections)?)
        .min_connections(u32::try_from(connections)?)
        .connect(&database.url)
        .await?;
    let sql: SqlStr = AssertSqlSafe(format!(
        "insert into {}.events (event_id, stream, version, event_type, payload, metadata)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::json[], $6::json[])",
        database.schema
    ))
    .into_sql_str();
    let events = options.events as u64;
    let insert_pool = pool.clone();
    let measured = load(options.appenders, duration, move |caller, call| {
        let (pool, sql) = (insert_pool.clone(), sql.clone());
        async move {
            let stream = StreamName::of("account", &caller)?;
            let numbers: Vec<u64> = (0..events).map(|index| call * events + index).collect();
            let encoded: Vec<_> = numbers
                .iter()
                .map(|number| serde_json::value::to_raw_value(&event(*number)))
                .collect::<Result<_, _>>()?;
            let metadata = serde_json::value::to_raw_value(&json!({"append_id": Uuid::now_v7()}))?;
            sqlx::query(sql)
                .bind(numbers.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
                .bind(numbers.iter().map(|_| stream.as_str()).collect::<Vec<_>>())
                .bind(numbers.iter().map(|number| number.cast_signed() + 1).collect::<Vec<_>>())
                .bind(numbers.iter().map(|_| "account.deposited.v1").collect::<Vec<_>>())
                .bind(encoded.into_iter().map(sqlx::types::Json).collect::<Vec<_>>())
                .bind(numbers.iter().map(|_| sqlx::types::Json(metadata.clone())).collect::<Vec<_>>())
                .execute(&pool)
                .await?;
            Ok(events)
        }
    })
    .await?;
    pool.close().await;
    database.drop_schema().await?;
    Ok(measured)
}
