//! A schema of its own for each test, dropped at its end.

use cqrs_core::{EventStore, EventType, NewEvent, Payload, StreamName};
use cqrs_postgres::{PgEventStore, PgOptions, PgReadModel, PgReadModelOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub struct Database {
    pub url: String,
    pub schema: String,
}

impl Database {
    pub fn new() -> Self {
        let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run tests/run");
        Self { url, schema: format!("test_{}", uuid::Uuid::now_v7().simple()) }
    }

    pub fn options(&self) -> PgOptions {
        PgOptions::new(&self.url).unwrap().schema(&self.schema).unwrap().read_connections(3)
    }

    pub async fn store(&self) -> PgEventStore {
        self.options().connect().await.unwrap()
    }

    pub async fn migrated(&self) -> PgEventStore {
        let store = self.store().await;
        store.migrate().await.unwrap();
        store
    }

    pub fn read_model_options(&self) -> PgReadModelOptions {
        PgReadModelOptions::new(&self.url).unwrap().schema(&self.schema).unwrap().connections(5)
    }

    pub async fn read_model(&self) -> PgReadModel {
        let model = self.read_model_options().connect().await.unwrap();
        model.migrate().await.unwrap();
        model
    }

    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// Runs statements, with `{schema}` replaced.
    pub async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut connection = self.connection().await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.replace("{schema}", &self.schema))).execute(&mut connection).await;
        connection.close().await.unwrap();
        done.map(|_| ())
    }

    /// A session that holds the append lock until it is dropped or its transaction ends.
    pub async fn hold_lock(&self) -> PgConnection {
        let mut connection = self.connection().await;
        let lock = format!("begin; select pg_advisory_xact_lock(hashtextextended('cqrs:{}', 0))", self.schema);
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await.unwrap();
        connection
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&url).await?;
                let sql = format!("set client_min_messages = warning; drop schema if exists {schema} cascade");
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
                connection.close().await
            })
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("{} was not dropped: {error}", self.schema);
        }
    }
}

pub fn event(stream: &str) -> NewEvent {
    NewEvent::raw(
        StreamName::new(stream).unwrap(),
        EventType::new("account.deposited.v1").unwrap(),
        Payload::from_bytes(&b"{\"amount\":1}"[..]),
    )
}

/// Ends the writer's session again and again, each time after some more events were written.
pub async fn kill_appenders(store: PgEventStore, url: String, schema: String) {
    let database = std::mem::ManuallyDrop::new(Database { url, schema });
    let mut connection = database.connection().await;
    let kill = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'cqrs-append:{}:%'",
        database.schema
    );
    let mut next = 0;
    loop {
        let position = store.head().await.unwrap().position.get();
        if position >= next {
            next = position + 40;
            sqlx::raw_sql(AssertSqlSafe(kill.clone())).execute(&mut connection).await.unwrap();
        }
    }
}

/// The message of the database, whatever it is wrapped in.
pub fn message(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| error.to_string())
        .collect::<Vec<_>>()
        .join(": ")
}
