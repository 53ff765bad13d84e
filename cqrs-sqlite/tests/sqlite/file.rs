//! A directory of its own for each test, removed at its end.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use cqrs_core::{EventStore, EventType, GlobalPosition, NewEvent, Payload, ReadAll, RecordedEvent, StreamName};
use cqrs_sqlite::{SqliteEventStore, SqliteOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

pub struct File {
    pub directory: PathBuf,
    pub path: PathBuf,
}

impl File {
    pub fn new() -> Self {
        let directory = std::env::temp_dir().join(format!("cqrs-sqlite-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&directory).unwrap();
        Self { path: directory.join("events.db"), directory }
    }

    pub fn options(&self) -> SqliteOptions {
        SqliteOptions::new(&self.path)
    }

    pub async fn store(&self) -> SqliteEventStore {
        self.options().open().await.unwrap()
    }

    /// A connection of a stranger.
    pub async fn connection(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(&self.path).create_if_missing(true).connect().await.unwrap()
    }

    pub async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
        connection.close().await.unwrap();
        done.map(|_| ())
    }

    /// A process of its own that runs one test, which finds the file in `CQRS_SQLITE_FILE`.
    pub fn child(&self, test: &str) -> Command {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([test, "--exact", "--nocapture"]).env("CQRS_SQLITE_FILE", &self.path).stdout(Stdio::piped());
        child
    }

    /// A stranger that holds the write lock until it is dropped.
    pub async fn hold_lock(&self) -> SqliteConnection {
        let mut connection = self.connection().await;
        sqlx::raw_sql("begin immediate").execute(&mut connection).await.unwrap();
        connection
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub fn event(stream: &str) -> NewEvent {
    NewEvent::raw(
        StreamName::new(stream).unwrap(),
        EventType::new("account.deposited.v1").unwrap(),
        Payload::from_bytes(&b"{\"amount\":1}"[..]),
    )
}

/// The whole log, checked: positions and versions are dense, recorded times never decrease.
pub async fn log(store: &SqliteEventStore) -> Vec<RecordedEvent> {
    let page = store.read_all(ReadAll::after(GlobalPosition::START).limit(1_000_000)).await.unwrap();
    let mut versions = std::collections::HashMap::new();
    for (event, position) in page.events.iter().zip(1..) {
        assert_eq!(event.position.get(), position);
        let version = versions.entry(event.stream.clone()).or_insert(0);
        *version += 1;
        assert_eq!(event.version.get(), *version);
    }
    assert!(page.events.is_sorted_by_key(|event| event.recorded_at));
    page.events
}
