//! Connections to the file: one that writes, and some that read.

use std::time::Duration;

use backon::{BackoffBuilder, ConstantBuilder};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::{Meaning, meaning};
use crate::options::SqliteOptions;

/// Pages in the write-ahead log after which they are moved into the file.
const CHECKPOINT_PAGES: &str = "4000";

pub(crate) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// The connection that writes. Those who write take turns: the database itself would let the luckiest go first.
#[derive(Debug)]
pub(crate) struct WriteConnection {
    connect: SqliteConnectOptions,
    lock_timeout: Duration,
    slot: Mutex<Slot>,
}

/// Where the connection is when nobody writes.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<SqliteConnection>,
    /// For good: it is not opened again.
    closed: bool,
}

/// The right to write, as long as it is held.
pub(crate) struct Turn<'a> {
    of: &'a WriteConnection,
    slot: MutexGuard<'a, Slot>,
}

pub(crate) fn write_options(options: &SqliteOptions) -> SqliteConnectOptions {
    connect_options(options)
        .create_if_missing(true)
        .busy_timeout(Duration::ZERO)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
}

pub(crate) fn read_pool(options: &SqliteOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(options.read_connections)
        .test_before_acquire(false)
        .max_lifetime(None)
        .connect_lazy_with(connect_options(options).read_only(true).busy_timeout(options.lock_timeout))
}

fn connect_options(options: &SqliteOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&options.path)
        .pragma("cache_size", format!("-{}", (options.page_cache / 1_024).max(1)))
        .disable_statement_logging()
}

/// Ends a transaction that has written nothing, so that the connection can be given back.
pub(crate) async fn rollback(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("rollback").execute(connection).await.map(drop)
}

impl WriteConnection {
    pub fn new(options: &SqliteOptions, connection: SqliteConnection) -> Self {
        Self {
            connect: write_options(options),
            lock_timeout: options.lock_timeout,
            slot: Mutex::new(Slot { connection: Some(connection), closed: false }),
        }
    }

    /// Runs one statement in a transaction of its own.
    pub async fn execute<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut turn = self.turn().await;
        let (connection, rows) = turn.run(statement).await?;
        turn.give_back(connection);
        Ok(rows)
    }

    /// Waits for those before.
    pub async fn turn(&self) -> Turn<'_> {
        Turn { of: self, slot: self.slot.lock().await }
    }
}

impl Turn<'_> {
    /// Runs a statement that takes the write lock, and perhaps keeps it. Whoever is done gives the connection
    /// [back](Self::give_back); one that is dropped instead is closed, and what was not committed is rolled back.
    ///
    /// Tries often while another process writes, with jitter: processes whose groups follow each other closely would keep
    /// out one that sleeps longer and longer, as SQLite itself does.
    pub async fn run<'q>(
        &mut self,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<(SqliteConnection, Vec<SqliteRow>), sqlx::Error> {
        let deadline = Instant::now() + self.of.lock_timeout;
        let mut pauses =
            ConstantBuilder::default().with_delay(Duration::from_millis(1)).with_jitter().without_max_times().build();
        loop {
            match self.attempt(statement()).await {
                Err(error) if meaning(&error) == Meaning::Busy && Instant::now() < deadline => {
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                }
                done => return done,
            }
        }
    }

    async fn attempt(&mut self, statement: Statement<'_>) -> Result<(SqliteConnection, Vec<SqliteRow>), sqlx::Error> {
        let mut connection = match self.slot.connection.take() {
            Some(connection) => connection,
            None if self.slot.closed => return Err(sqlx::Error::PoolClosed),
            None => self.of.connect.connect().await?,
        };
        match statement.fetch_all(&mut connection).await {
            Ok(rows) => Ok((connection, rows)),
            Err(error) => {
                if meaning(&error) == Meaning::Busy {
                    self.slot.connection = Some(connection);
                }
                Err(error)
            }
        }
    }

    /// Leaves the connection to the next one.
    pub fn give_back(mut self, connection: SqliteConnection) {
        self.slot.connection = Some(connection);
    }

    /// Closes the connection; whoever writes next opens it again.
    pub async fn close(mut self) -> Result<(), sqlx::Error> {
        match self.slot.connection.take() {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }

    /// Closes the connection for good.
    pub async fn close_for_good(mut self) -> Result<(), sqlx::Error> {
        self.slot.closed = true;
        self.close().await
    }
}
