//! How a store is reached.

use std::str::FromStr;
use std::time::Duration;

use cqrs_core::{Limits, StoreError};
use sqlx::postgres::PgConnectOptions;

use crate::event_store::PgEventStore;
use crate::schema::{InvalidSchema, Schema};

/// Options of a [`PgEventStore`].
#[derive(Debug, Clone)]
pub struct PgOptions {
    pub(crate) connect: PgConnectOptions,
    pub(crate) schema: Schema,
    pub(crate) limits: Limits,
    pub(crate) read_connections: u32,
    pub(crate) read_timeout: Duration,
    pub(crate) append_timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) queue_bytes: u32,
    pub(crate) poll: Duration,
    pub(crate) behind_pooler: bool,
}

/// Why options are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PgOptionsError {
    /// The address is none of a PostgreSQL database.
    #[error("invalid database address")]
    Url(#[source] sqlx::Error),
    /// The schema's name is refused.
    #[error(transparent)]
    Schema(#[from] InvalidSchema),
}

impl PgOptions {
    /// The database at `url` (`postgres://user:password@host:port/database`), and the schema `cqrs` in it.
    ///
    /// # Errors
    /// [`PgOptionsError::Url`] when the address cannot be read.
    pub fn new(url: &str) -> Result<Self, PgOptionsError> {
        Ok(Self {
            connect: PgConnectOptions::from_str(url).map_err(PgOptionsError::Url)?,
            schema: Schema::default(),
            limits: Limits::default(),
            read_connections: 8,
            read_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            queue_bytes: 64 << 20,
            poll: Duration::from_millis(500),
            behind_pooler: false,
        })
    }

    /// Another schema: stores in different schemas know nothing of each other and do not wait for one another.
    ///
    /// # Errors
    /// [`PgOptionsError::Schema`] when the name is refused.
    pub fn schema(mut self, name: &str) -> Result<Self, PgOptionsError> {
        self.schema = Schema::new(name)?;
        Ok(self)
    }

    /// Other limits on events.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connections for reading at most, at least 1; 8 unless told. Appends have one of their own.
    #[must_use]
    pub fn read_connections(mut self, connections: u32) -> Self {
        self.read_connections = connections.max(1);
        self
    }

    /// How long reading a page may take, waiting for a connection included; 30 s unless told. After that it is
    /// [`Transient`](cqrs_core::StoreError::Transient). The same goes for snapshots and checkpoints.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long an append may take in all, through lost connections and repeated attempts; 30 s unless told. After that it
    /// is [`Transient`](cqrs_core::AppendError::Transient) when it was never sent, and
    /// [`Unknown`](cqrs_core::AppendError::Unknown) when it was. So long [`append_in`](PgEventStore::append_in) waits for the
    /// append lock.
    #[must_use]
    pub fn append_timeout(mut self, timeout: Duration) -> Self {
        self.append_timeout = timeout;
        self
    }

    /// How long one attempt to write a group may take before the connection is given up and the group is sent again;
    /// 10 s unless told. It bounds an import as well, which keeps the append lock for as long as it takes.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How many bytes of events may wait to be written; 64 MiB unless told. Appends beyond that wait for room.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: u32) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How often subscriptions and relays of the outbox look for what they were not notified of; every 500 ms unless told.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// Whether the address is that of a pooler that lends a session of the server for one transaction at a time, such as
    /// PgBouncer in transaction mode; it is not unless told. Then everything runs in explicit transactions with settings of
    /// their own and unnamed statements, which costs round trips, and subscriptions poll without being notified.
    /// [`migrate`](PgEventStore::migrate) needs a direct connection.
    #[must_use]
    pub fn behind_pooler(mut self, yes: bool) -> Self {
        self.behind_pooler = yes;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// [`StoreError::Transient`] when the database cannot be reached, [`StoreError::Permanent`] when it refuses.
    pub async fn connect(self) -> Result<PgEventStore, StoreError> {
        PgEventStore::connect_with(self).await
    }
}
