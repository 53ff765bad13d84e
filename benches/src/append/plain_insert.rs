//! What most libraries do: an identity column, and a unique index that decides. The events of an append go in one insert.

use std::time::Duration;

use cqrs_core::StreamName;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use uuid::Uuid;

use crate::Error;
use crate::database::Database;
use crate::measure::{Measured, load};
use crate::workload::event;

pub async fn create_table() -> Result<Database, Error> {
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
    Ok(database)
}

/// Connects at once, and inserts when `start` has come.
pub async fn insert(
    database: &Database,
    connections: usize,
    appenders: usize,
    events: u64,
    first: usize,
    duration: Duration,
    start: impl Future<Output = Result<(), Error>>,
) -> Result<Measured, Error> {
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
    start.await?;
    let insert_pool = pool.clone();
    let measured = load(appenders, duration, move |caller, call| {
        let (pool, sql) = (insert_pool.clone(), sql.clone());
        async move {
            let stream = StreamName::of("account", &(first + caller))?;
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
    Ok(measured)
}
