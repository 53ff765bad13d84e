//! What stands in the tables: what is written today is read for ever.

use cqrs_core::{EventStore, ImportEvents, ReadStream, SnapshotQuery, SnapshotStore};
use cqrs_testkit::sample::{full_event, full_snapshot};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row};

use super::database::Database;

/// The only row of a table, as JSON.
async fn row(database: &Database, table: &str) -> String {
    let mut connection = database.connection().await;
    let sql = format!("set timezone = 'UTC'; select row_to_json(t)::text from {}.{table} t", database.schema);
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    let row: Value = serde_json::from_str(row.get(0)).unwrap();
    serde_json::to_string_pretty(&row).unwrap() + "\n"
}

#[tokio::test]
async fn an_event_is_a_row_of_this_form() {
    let database = Database::new();
    let store = database.migrated().await;
    store.import(vec![full_event()]).await.unwrap();
    assert_eq!(row(&database, "events").await, include_str!("../golden/event.json"));
    let read = store.read_stream(ReadStream::new(full_event().stream)).await.unwrap();
    assert_eq!(read.events, [full_event()]);
}

#[tokio::test]
async fn a_snapshot_is_a_row_of_this_form() {
    let database = Database::new();
    let snapshots = database.migrated().await.snapshots();
    snapshots.save(full_snapshot()).await.unwrap();
    assert_eq!(row(&database, "snapshots").await, include_str!("../golden/snapshot.json"));
    let snapshot = full_snapshot();
    let query = SnapshotQuery {
        stream: snapshot.stream.clone(),
        as_of: None,
        state_version: snapshot.state_version,
        fingerprint: snapshot.fingerprint,
    };
    assert_eq!(snapshots.newest(&query).await.unwrap(), Some(snapshot));
}
