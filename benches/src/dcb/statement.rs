//! The statement that writes a group of events without tags, as it is and as it was before there were tags: on one connection
//! in turn, in transactions that are rolled back, so that no wait for the disk hides the difference.

use std::time::{Duration, Instant};

use cqrs_postgres::PgOptions;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, SqlSafeStr, SqlStr};
use uuid::Uuid;

use crate::Error;
use crate::database::Database;
use crate::measure::Measured;
use crate::workload::event;

/// The last migration that changed the statement before that of the tags.
const BEFORE: &str = include_str!("../../../cqrs-postgres/migrations/0004_stream_facts.sql");

/// Groups in one transaction.
const GROUPS: usize = 50;

pub struct Pair {
    pub now: Measured,
    pub before: Measured,
}

pub async fn compare(events: usize, duration: Duration, rounds: usize) -> Result<Pair, Error> {
    let database = Database::from_environment()?;
    let store = PgOptions::new(&database.url)?.schema(&database.schema)?.connect().await?;
    store.migrate().await?;
    let from = BEFORE.find("create or replace function").ok_or("the migration defines no function")?;
    // What it says for itself to the trigger has changed as well.
    let before = BEFORE[from..]
        .replace("append_events", "append_before")
        .replace("'cqrs.appending', '{schema}'", "'cqrs.appending', '{schema} with tags'");
    database.execute(&before).await?;
    let mut connection = PgConnection::connect(&database.url).await?;
    let columns = "select accepted, first_position, recorded, heads from";
    let parameters = "$1, $2, $3, $4, $5, $6, $7, $8, $9::text[]::timestamptz[], $10, $11";
    let schema = &database.schema;
    let now = AssertSqlSafe(format!("{columns} {schema}.append_tagged({parameters}, '{{}}', '{{}}', '{{}}', '{{}}')"));
    let before = AssertSqlSafe(format!("{columns} {schema}.append_before({parameters})"));
    let (now, before) = (now.into_sql_str(), before.into_sql_str());
    let (mut of_now, mut of_before) = (Vec::new(), Vec::new());
    // The first round warms both up.
    for round in 0..=rounds {
        let [now, before] = in_turn(&mut connection, [&now, &before], events, duration).await?;
        if round > 0 {
            of_now.extend(now);
            of_before.extend(before);
        }
    }
    connection.close().await?;
    drop(store);
    database.drop_schema().await?;
    Ok(Pair { now: measured(events, of_now), before: measured(events, of_before) })
}

/// Both, transaction by transaction, each first in turn, until the time is over. What counts is the median of their times: one
/// that the machine was busy for says nothing.
async fn in_turn(
    connection: &mut PgConnection,
    statements: [&SqlStr; 2],
    events: usize,
    duration: Duration,
) -> Result<[Vec<u32>; 2], Error> {
    let begun = Instant::now();
    let mut micros = [Vec::new(), Vec::new()];
    let mut first = 0;
    while begun.elapsed() < duration {
        for index in [first, 1 - first] {
            let mut transaction = connection.begin().await?;
            for _ in 0..GROUPS {
                let group = Group::of(events)?;
                let query = group.bind(statements[index].clone());
                let sent = Instant::now();
                query.fetch_one(&mut *transaction).await?;
                micros[index].push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            transaction.rollback().await?;
        }
        first = 1 - first;
    }
    Ok(micros)
}

/// As many as the median of the times allows.
fn measured(events: usize, mut micros: Vec<u32>) -> Measured {
    micros.sort_unstable();
    let measured = Measured::of_micros(&micros);
    let per_second = measured.p50_ms.map_or(0.0, |p50| events as f64 * 1_000.0 / p50);
    Measured { per_second, ..measured }
}

/// Events of streams of their own.
struct Group {
    streams: Vec<String>,
    payloads: Vec<String>,
    metadata: String,
}

impl Group {
    fn of(events: usize) -> Result<Self, Error> {
        // New ones: what was rolled back is not passed over again and again.
        let own = Uuid::now_v7();
        let streams = (0..events).map(|number| format!("account-{own}-{number}")).collect();
        let payloads =
            (0..events as u64).map(|number| serde_json::to_string(&event(number))).collect::<Result<_, _>>()?;
        Ok(Self { streams, payloads, metadata: format!(r#"{{"append_id":"{}"}}"#, Uuid::now_v7()) })
    }

    fn bind(&self, statement: SqlStr) -> Query<'static, Postgres, PgArguments> {
        let count = self.streams.len();
        sqlx::query(statement)
            .bind(self.streams.clone())
            .bind(vec![0_i64; count])
            .bind(vec![i64::MAX; count])
            .bind((0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>())
            .bind(self.streams.clone())
            .bind((1..=count as i32).collect::<Vec<_>>())
            .bind(vec![1_i64; count])
            .bind(vec!["account.deposited.v1".to_owned(); count])
            .bind(vec![None::<String>; count])
            .bind(self.payloads.clone())
            .bind(vec![self.metadata.clone(); count])
    }
}
