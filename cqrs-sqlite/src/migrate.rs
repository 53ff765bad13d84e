//! The file's tables: made and brought up to date when it is opened, since the file is the program's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::{ConnectOptions, Row, SqliteConnection};
use tokio::time::Instant;

use crate::connection::write_options;
use crate::error::{Meaning, meaning};
use crate::options::SqliteOptions;
use crate::statements::FORMAT;

/// All migrations, oldest first: the file's format is how many of them it has seen. Forward only; none is changed after
/// landing.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_events.sql"),
    include_str!("../migrations/0002_claims.sql"),
    include_str!("../migrations/0003_stream_facts.sql"),
    include_str!("../migrations/0005_leases.sql"),
    include_str!("../migrations/0006_dead_letters.sql"),
    include_str!("../migrations/0007_event_tags.sql"),
];

/// Marks the file as an event store: `cqrs` in ASCII, see <https://www.sqlite.org/pragma.html#pragma_application_id>.
const APPLICATION_ID: i64 = 0x6371_7273;

/// Why a file could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is a file, but it is something else.
    #[error("{} is no event store: {what}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// It was written by a newer version of this library.
    #[error("{} has format {format}, newer than {newest}, the newest that this version knows", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: i64,
        /// The newest format that this version knows.
        newest: i64,
    },
    /// There can be no such file.
    #[error("{} cannot be opened: {reason}", path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// What is wrong with the path.
        reason: &'static str,
    },
    /// The file can be read but not written.
    #[error("{} is read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the lock: try again later.
    #[error("{} is locked by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The database refused.
    #[error("{} cannot be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

/// Opens the file for writing, with all migrations applied.
pub(crate) async fn open(options: &SqliteOptions) -> Result<SqliteConnection, OpenError> {
    let deadline = Instant::now() + options.lock_timeout;
    loop {
        match attempt(options).await {
            Err(OpenError::Locked { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            opened => return opened,
        }
    }
}

async fn attempt(options: &SqliteOptions) -> Result<SqliteConnection, OpenError> {
    let path = &options.path;
    let mut connection = write_options(options).connect().await.map_err(|error| explain(path, error))?;
    prepare(&mut connection, path).await?;
    Ok(connection)
}

async fn prepare(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let database = |error| explain(path, error);
    check(connection, path).await?;
    let mode: String =
        sqlx::query_scalar("pragma journal_mode = wal").fetch_one(&mut *connection).await.map_err(database)?;
    if mode != "wal" {
        return Err(OpenError::Path {
            path: path.to_owned(),
            reason: "its file system shares no memory between processes",
        });
    }
    execute(connection, "begin immediate").await.map_err(database)?;
    match migrate(connection, path).await {
        Ok(()) => execute(connection, "commit").await.map_err(database),
        Err(error) => {
            // The connection is dropped next, which does the same.
            let _ = execute(connection, "rollback").await;
            Err(error)
        }
    }
}

/// Within a transaction: of several processes that start at once, one finds something to do.
async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let format = check(connection, path).await?;
    for migration in MIGRATIONS.iter().skip(format) {
        execute(connection, migration).await.map_err(|error| explain(path, error))?;
    }
    // Set again where there was nothing to do: a file that cannot be written is found out here, not by the first append.
    let mark = format!("pragma application_id = {APPLICATION_ID}; pragma user_version = {}", MIGRATIONS.len());
    sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(connection).await.map_err(|error| explain(path, error))?;
    Ok(())
}

/// The file's format, 0 for an empty one. Changes nothing.
async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<usize, OpenError> {
    let row = sqlx::query(FORMAT).fetch_one(connection).await.map_err(|error| explain(path, error))?;
    let number = |column| row.try_get::<i64, usize>(column).map_err(|error| explain(path, error));
    let (application, format, tables) = (number(0)?, number(1)?, number(2)?);
    let newest = MIGRATIONS.len();
    match (application, usize::try_from(format)) {
        (APPLICATION_ID, Ok(known)) if known <= newest => Ok(known),
        (APPLICATION_ID, _) => Err(OpenError::Newer { path: path.to_owned(), format, newest: newest as i64 }),
        (0, Ok(0)) if tables == 0 => Ok(0),
        _ => Err(OpenError::Foreign {
            path: path.to_owned(),
            what: format!(
                "an SQLite database of another program (application id {application}, {tables} tables and indexes)"
            ),
        }),
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
}

/// Names the usual cause where the database's words do not.
fn explain(path: &Path, error: sqlx::Error) -> OpenError {
    let path_is = |reason| OpenError::Path { path: path.to_owned(), reason };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let primary = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    match (meaning(&error), primary) {
        (Meaning::Busy, _) => OpenError::Locked { path: path.to_owned() },
        (_, Some(8)) => OpenError::ReadOnly { path: path.to_owned() },
        (_, Some(26)) => OpenError::Foreign { path: path.to_owned(), what: "not an SQLite database".to_owned() },
        (_, Some(14)) if path.is_dir() => path_is("it is a directory"),
        (_, Some(14)) if !directory(path).is_dir() => path_is("its directory does not exist"),
        (_, Some(14)) => path_is("the file, or its directory, cannot be written"),
        _ => OpenError::Database { path: path.to_owned(), source: error },
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
