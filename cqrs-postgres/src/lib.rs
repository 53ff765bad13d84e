//! The event store of `cqrs-core` on PostgreSQL, and read models in its tables.
//!
//! Appends of a process are written in groups, each in one transaction under an advisory lock: positions and recorded
//! times increase in commit order, so that a reader needs nothing but `position > $1 order by position`.
//!
//! For ordinary tables of the same database: [`append_in`](PgEventStore::append_in) writes events in the caller's own
//! transaction, and the [outbox](PgOutbox) messages that are published once it is committed.
//!
//! Documents of a [`PgReadModel`] are written in one transaction with their checkpoint and queried with plain SQL; it may lie
//! in another database than the events.

mod append_in;
mod append_queue;
mod checkpoint_store;
mod claims;
mod copy_row;
mod dead_letter_store;
mod error;
mod event_store;
mod import;
mod lease;
mod migrate;
mod options;
mod outbox;
mod queries;
mod read_log;
mod read_model;
mod recorded_types;
mod row;
mod schema;
mod session;
mod settings;
mod snapshot_store;
mod statements;
mod stream_facts;
mod subscription;
mod transaction;
mod value;

pub use checkpoint_store::PgCheckpointStore;
pub use dead_letter_store::PgDeadLetterStore;
pub use event_store::PgEventStore;
pub use lease::PgLeaseStore;
pub use migrate::MigrateError;
pub use options::{PgOptions, PgOptionsError};
pub use outbox::{EnqueueError, Enqueued, OutboxRelay, OutboxStatus, ParkedMessage, PgOutbox, RunningRelay};
pub use read_model::{PgReadModel, PgReadModelOptions};
pub use schema::{InvalidSchema, Schema};
pub use snapshot_store::PgSnapshotStore;
pub use transaction::UnfitTransaction;
