//! A schema of its own for each test, dropped at its end, also when it fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use cqrs_core::{
    Append, EventSet, EventStore, EventType, GlobalPosition, NewEvent, Payload, ReadAll, Recorded, RecordedEvent,
    StreamName,
};
use cqrs_postgres::{PgEventStore, PgOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::wait::{AT_MOST, within};

/// A schema in a database.
#[derive(Debug)]
pub struct Database {
    /// The address of the database.
    pub url: String,
    /// The schema.
    pub schema: String,
}

impl Database {
    /// A new schema in the database of the tests.
    ///
    /// # Panics
    /// When no database is given.
    #[must_use]
    pub fn new() -> Self {
        Self::at(&std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run tests/run"))
    }

    /// A new schema in the database at `url`.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), schema: format!("test_{}", uuid::Uuid::now_v7().simple()) }
    }

    /// Options of a store in the schema.
    ///
    /// # Panics
    /// When the address is none.
    #[must_use]
    pub fn options(&self) -> PgOptions {
        self.options_at(&self.url)
    }

    /// Options of a store in the schema that is reached by another address.
    ///
    /// # Panics
    /// When the address is none.
    #[must_use]
    pub fn options_at(&self, url: &str) -> PgOptions {
        PgOptions::new(url).unwrap().schema(&self.schema).unwrap().read_connections(3)
    }

    /// A store in the schema, which is made.
    ///
    /// # Panics
    /// When the database is not reached.
    pub async fn migrated(&self) -> PgEventStore {
        let store = self.options().connect().await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    /// A session.
    ///
    /// # Panics
    /// When the database is not reached.
    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// Puts the schema's name into a statement.
    #[must_use]
    pub fn sql(&self, sql: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(sql.replace("{schema}", &self.schema))
    }

    /// A session that holds the append lock until it is dropped or its transaction ends.
    ///
    /// # Panics
    /// When the database is not reached.
    pub async fn hold_lock(&self) -> PgConnection {
        let mut connection = self.connection().await;
        let lock = self.sql("begin; select pg_advisory_xact_lock(hashtextextended('cqrs:{schema}', 0))");
        sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
        connection
    }

    /// Whether a session of this schema's appenders matches a condition on `pg_stat_activity`.
    ///
    /// # Panics
    /// When the database is not reached.
    pub async fn has_appender(&self, watching: &mut PgConnection, that: &str) -> bool {
        let sql =
            "select exists (select from pg_stat_activity where application_name like 'cqrs-append:{schema}:%' and ";
        sqlx::query_scalar(self.sql(&format!("{sql}{that})"))).fetch_one(watching).await.unwrap()
    }

    /// Waits until a session of this schema's appenders matches.
    ///
    /// # Panics
    /// When none does within a minute.
    pub async fn appender(&self, watching: &mut PgConnection, that: &str) {
        let found = async {
            while !self.has_appender(watching, that).await {
                tokio::task::yield_now().await;
            }
        };
        within("an appender is caught", AT_MOST, found).await;
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        // On a thread of its own: the one that drops may be in a runtime.
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

/// An event.
///
/// # Panics
/// When `stream` is no name.
#[must_use]
pub fn event(stream: &str) -> NewEvent {
    NewEvent::raw(
        StreamName::new(stream).unwrap(),
        EventType::new("account.deposited.v1").unwrap(),
        Payload::from_bytes(&b"{\"amount\":1}"[..]),
    )
}

/// An append of one event.
///
/// # Panics
/// When `stream` is no name.
#[must_use]
pub fn append(stream: &str) -> Append {
    Append::new(vec![event(stream)])
}

/// The whole log.
///
/// # Panics
/// When it cannot be read.
pub async fn log(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let (mut log, mut after) = (Vec::new(), GlobalPosition::START);
    loop {
        let page = store.read_all(ReadAll::after(after)).await.unwrap();
        after = page.scanned_to;
        log.extend(page.events);
        if !page.more {
            return log;
        }
    }
}

/// The events of the whole log that are of these types.
///
/// # Panics
/// When the log cannot be read.
pub async fn log_of<E: EventSet>(store: &dyn EventStore) -> Vec<Recorded<E>> {
    let mut log = log(store).await;
    log.retain(|event| E::event_types().contains(&event.event_type));
    Recorded::decode_all(log).unwrap()
}
