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
use crate::measure::{Measured, median};
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
        let (a, b) = in_turn(&mut connection, [&now, &before], events, duration).await?;
        if round > 0 {
            of_now.push(a);
            of_before.push(b);
        }
    }
    connection.close().await?;
    drop(store);
    database.drop_schema().await?;
    Ok(Pair { now: median(&of_now).ok_or("no rounds")?, before: median(&of_before).ok_or("no rounds")? })
}

/// Both, transaction by transaction, until the time is over.
async fn in_turn(
    connection: &mut PgConnection,
    statements: [&SqlStr; 2],
    events: usize,
    duration: Duration,
) -> Result<(Measured, Measured), Error> {
    let begun = Instant::now();
    let (mut times, mut written) = ([Duration::ZERO; 2], 0);
    while begun.elapsed() < duration {
        for (statement, time) in statements.into_iter().zip(&mut times) {
            let mut transaction = connection.begin().await?;
            for _ in 0..GROUPS {
                let group = Group::of(events)?;
                let query = group.bind(statement.clone());
                let sent = Instant::now();
                query.fetch_one(&mut *transaction).await?;
                *time += sent.elapsed();
            }
            transaction.rollback().await?;
        }
        written += (GROUPS * events) as u64;
    }
    Ok((Measured::of(written, times[0]), Measured::of(written, times[1])))
}

/// Events of streams of their own.
struct Group {
    streams: Vec<String>,
    payloads: Vec<String>,
    metadata: String,
}

impl Group {
    fn of(events: usize) -> Result<Self, Error> {
        let streams = (0..events).map(|number| format!("account-{number}")).collect();
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
