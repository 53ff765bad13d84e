//! What an administrator does with a store, whatever it lies in.

use std::path::Path;
use std::sync::Arc;

use cqrs_core::{EventStore, EventType, Failure, RecordedTypes, StoreError};
use cqrs_postgres::{PgOptions, PgOptionsError};
use cqrs_schema::Lock;
use cqrs_sqlite::SqliteEventStore;

/// An event store that can be asked what it holds.
pub trait Store: EventStore + RecordedTypes {}

impl<S: EventStore + RecordedTypes> Store for S {}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address, or the name of the schema, cannot be read.
    #[error(transparent)]
    Address(#[from] PgOptionsError),
    /// There is no such file, and none is made.
    #[error("there is no file {0}")]
    NoFile(String),
    /// A schema is a thing of PostgreSQL.
    #[error("a SQLite file has no schemas: leave out the name {0}")]
    NoSchemas(String),
    /// The file could not be opened.
    #[error("the file cannot be opened")]
    File(#[source] Failure),
    /// The database could not be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens the store at an address: `postgres://…`, with the schema `cqrs` unless told, or the path of a SQLite file.
///
/// # Errors
/// [`OpenError`] when there is none that can be opened.
pub async fn open(address: &str, schema: Option<&str>) -> Result<Arc<dyn Store>, OpenError> {
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        let mut options = PgOptions::new(address)?;
        if let Some(schema) = schema {
            options = options.schema(schema)?;
        }
        return Ok(Arc::new(options.connect().await?));
    }
    if let Some(schema) = schema {
        return Err(OpenError::NoSchemas(schema.to_owned()));
    }
    let path = Path::new(address.strip_prefix("sqlite:").unwrap_or(address));
    if !path.is_file() {
        return Err(OpenError::NoFile(path.display().to_string()));
    }
    let store = SqliteEventStore::open(path).await.map_err(|error| OpenError::File(Failure::new(error)))?;
    Ok(Arc::new(store))
}

/// The event types that a store holds and a lock does not.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn not_locked(store: &dyn Store, lock: &Lock) -> Result<Vec<EventType>, StoreError> {
    let recorded = store.recorded_types().await?;
    Ok(lock.missing(&recorded).into_iter().cloned().collect())
}
