//! What stands in the file: what is written today is read for ever.

use cqrs_core::{EventStore, ImportEvents, ReadStream, SnapshotQuery, SnapshotStore};
use cqrs_testkit::sample::{full_event, full_snapshot};
use serde_json::Value;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::file::File;

async fn text(connection: &mut SqliteConnection, sql: String) -> String {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap()
}

/// The only row of a table, as JSON with blobs in hexadecimal digits.
async fn row(file: &File, table: &str) -> String {
    let mut connection = file.connection().await;
    let columns = format!(
        "select group_concat(format('''%s'', case typeof(%s) when ''blob'' then hex(%s) else %s end', name, name, name, name))
           from pragma_table_info('{table}')"
    );
    let columns = text(&mut connection, columns).await;
    let row = text(&mut connection, format!("select json_object({columns}) from {table}")).await;
    let row: Value = serde_json::from_str(&row).unwrap();
    serde_json::to_string_pretty(&row).unwrap() + "\n"
}

#[tokio::test]
async fn an_event_is_a_row_of_this_form() {
    let file = File::new();
    let store = file.store().await;
    store.import(vec![full_event()]).await.unwrap();
    assert_eq!(row(&file, "events").await, include_str!("../golden/event.json"));
    let read = store.read_stream(ReadStream::new(full_event().stream)).await.unwrap();
    assert_eq!(read.events, [full_event()]);
}

#[tokio::test]
async fn a_snapshot_is_a_row_of_this_form() {
    let file = File::new();
    let snapshots = file.store().await.snapshots();
    snapshots.save(full_snapshot()).await.unwrap();
    assert_eq!(row(&file, "snapshots").await, include_str!("../golden/snapshot.json"));
    let snapshot = full_snapshot();
    let query = SnapshotQuery {
        stream: snapshot.stream.clone(),
        as_of: None,
        state_version: snapshot.state_version,
        fingerprint: snapshot.fingerprint,
    };
    assert_eq!(snapshots.newest(&query).await.unwrap(), Some(snapshot));
}
