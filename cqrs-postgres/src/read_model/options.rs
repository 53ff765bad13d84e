//! How a read model is reached.

use std::str::FromStr;
use std::time::Duration;

use cqrs_core::ReadModelError;
use sqlx::postgres::PgConnectOptions;

use super::PgReadModel;
use crate::options::PgOptionsError;
use crate::schema::Schema;

/// Options of a [`PgReadModel`].
#[derive(Debug, Clone)]
pub struct PgReadModelOptions {
    pub(crate) connect: PgConnectOptions,
    pub(crate) schema: Schema,
    pub(crate) connections: u32,
    pub(crate) timeout: Duration,
    pub(crate) index_timeout: Duration,
    pub(crate) behind_pooler: bool,
}

impl PgReadModelOptions {
    /// The database at `url` (`postgres://user:password@host:port/database`), and the schema `read_models` in it. It may be
    /// another database than that of the events.
    ///
    /// # Errors
    /// [`PgOptionsError::Url`] when the address cannot be read.
    pub fn new(url: &str) -> Result<Self, PgOptionsError> {
        Ok(Self {
            connect: PgConnectOptions::from_str(url).map_err(PgOptionsError::Url)?,
            schema: Schema::new("read_models")?,
            connections: 8,
            timeout: Duration::from_secs(30),
            index_timeout: Duration::from_secs(3_600),
            behind_pooler: false,
        })
    }

    /// Another schema. It should hold nothing else: each projection is a view in it, of the projection's name.
    ///
    /// # Errors
    /// [`PgOptionsError::Schema`] when the name is refused.
    pub fn schema(mut self, name: &str) -> Result<Self, PgOptionsError> {
        self.schema = Schema::new(name)?;
        Ok(self)
    }

    /// Connections at most, at least 1; 8 unless told.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long a call may take, waiting for a connection included; 30 s unless told. After that it is
    /// [`Transient`](ReadModelError::Transient). It has to be longer than the largest batch takes to be written.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long it may take to build one of the [indexes](PgReadModel::index) over documents that are there already; 1 h
    /// unless told.
    #[must_use]
    pub fn index_timeout(mut self, timeout: Duration) -> Self {
        self.index_timeout = timeout;
        self
    }

    /// Whether the address is that of a pooler that lends a session of the server for one transaction at a time, such as
    /// PgBouncer in transaction mode; it is not unless told. Then everything runs in explicit transactions with settings of
    /// their own and unnamed statements, which costs round trips. [`migrate`](PgReadModel::migrate) needs a direct
    /// connection.
    #[must_use]
    pub fn behind_pooler(mut self, yes: bool) -> Self {
        self.behind_pooler = yes;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// [`ReadModelError::Transient`] when the database cannot be reached, [`ReadModelError::Permanent`] when it refuses.
    pub async fn connect(self) -> Result<PgReadModel, ReadModelError> {
        PgReadModel::connect_with(self).await
    }
}
