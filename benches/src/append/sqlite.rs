//! What most programs do with SQLite: one connection, one durable insert per append.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::StreamName;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Options;
use crate::Error;
use crate::file::File;
use crate::measure::{Measured, load};
use crate::workload::event;

pub async fn plain_insert(options: &Options, duration: Duration) -> Result<Measured, Error> {
    let file = File::create()?;
    let mut connection = SqliteConnectOptions::new()
        .filename(file.path())
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?;
    sqlx::raw_sql(
        "create table events (
             position integer primary key,
             event_id blob not null unique,
             stream text not null,
             version integer not null,
             event_type text not null,
             recorded_at integer not null default (cast(unixepoch('subsec') * 1000000 as integer)),
             occurred_at integer,
             payload text not null,
             metadata text not null,
             unique (stream, version)) strict;
         create index events_type_position on events (event_type, position);",
    )
    .execute(&mut connection)
    .await?;
    let connection = Arc::new(Mutex::new(connection));
    let events = options.events as u64;
    let shared = Arc::clone(&connection);
    let measured = load(options.appenders, duration, move |caller, call| {
        let connection = Arc::clone(&shared);
        async move {
            let stream = StreamName::of("account", &caller)?;
            let numbers: Vec<u64> = (0..events).map(|index| call * events + index).collect();
            let metadata = json!({"append_id": Uuid::now_v7()}).to_string();
            let rows: Vec<(u64, String)> = numbers
                .iter()
                .map(|number| Ok((*number, serde_json::to_string(&event(*number))?)))
                .collect::<Result<_, Error>>()?;
            let mut insert =
                QueryBuilder::new("insert into events (event_id, stream, version, event_type, payload, metadata) ");
            insert.push_values(rows, |mut row, (number, payload)| {
                row.push_bind(Uuid::now_v7())
                    .push_bind(stream.as_str().to_owned())
                    .push_bind(number.cast_signed() + 1)
                    .push_bind("account.deposited.v1")
                    .push_bind(payload)
                    .push_bind(metadata.clone());
            });
            insert.build().execute(&mut *connection.lock().await).await?;
            Ok(events)
        }
    })
    .await?;
    if let Some(connection) = Arc::into_inner(connection) {
        connection.into_inner().close().await?;
    }
    file.remove()?;
    Ok(measured)
}
