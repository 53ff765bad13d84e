//! The event store of `cqrs-core` in one SQLite file: nothing to install, nothing to run.
//!
//! An append that was acknowledged survives a power loss: the file is in WAL mode with `synchronous = FULL`, so that every
//! commit waits for the disk. Appends of a process are written in groups, each in one transaction with one such wait.
//! Several processes on one machine may use the file at once; it must not lie on a network file system.
//!
//! ```
//! use cqrs_core::{Append, EventStore, EventType, NewEvent, Payload, StreamName};
//! use cqrs_sqlite::SqliteEventStore;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(format!("cqrs-sqlite-{}", uuid::Uuid::now_v7()));
//! # std::fs::create_dir(&directory)?;
//! let store = SqliteEventStore::open(directory.join("bank.db")).await?; // made when it is not there
//! let (stream, opened) = (StreamName::new("account-ACC-001")?, EventType::new("account.opened.v1")?);
//! let event = NewEvent::raw(stream, opened, Payload::from_bytes(r#"{"owner":"An"}"#));
//! assert_eq!(store.append(Append::new(vec![event])).await?.position.get(), 1);
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! ```

mod append_queue;
mod checkpoint_store;
mod claims;
mod connection;
mod dead_letter_store;
mod error;
mod event_store;
mod facts;
mod import;
mod insert;
mod lease;
mod migrate;
mod options;
mod queries;
mod read_query;
mod recorded_types;
mod row;
mod snapshot_store;
mod statements;
mod stream_facts;
mod subscription;

pub use checkpoint_store::SqliteCheckpointStore;
pub use dead_letter_store::SqliteDeadLetterStore;
pub use event_store::SqliteEventStore;
pub use lease::SqliteLeaseStore;
pub use migrate::OpenError;
pub use options::SqliteOptions;
pub use snapshot_store::SqliteSnapshotStore;
