//! How a store is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cqrs_core::Limits;

use crate::event_store::SqliteEventStore;
use crate::migrate::OpenError;

/// Options of a [`SqliteEventStore`].
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) read_connections: u32,
    pub(crate) page_cache: u32,
    pub(crate) append_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) queue_bytes: u32,
    pub(crate) poll: Duration,
}

impl SqliteOptions {
    /// The file at `path`; its directory must exist.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            limits: Limits::default(),
            read_connections: 4,
            page_cache: 16 << 20,
            append_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            queue_bytes: 64 << 20,
            poll: Duration::from_millis(50),
        }
    }

    /// Other limits on events.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Connections for reading at most, at least 1; 4 unless told. There is one more for writing. Each has a thread.
    #[must_use]
    pub fn read_connections(mut self, connections: u32) -> Self {
        self.read_connections = connections.max(1);
        self
    }

    /// Bytes of the file that each connection keeps in memory at most; 16 MiB unless told.
    #[must_use]
    pub fn page_cache(mut self, bytes: u32) -> Self {
        self.page_cache = bytes;
        self
    }

    /// How long an append may take in all; 30 s unless told. After that it is
    /// [`Transient`](cqrs_core::AppendError::Transient) when it was not written, because another process held the lock
    /// say, and [`Unknown`](cqrs_core::AppendError::Unknown) when it was being written.
    #[must_use]
    pub fn append_timeout(mut self, timeout: Duration) -> Self {
        self.append_timeout = timeout;
        self
    }

    /// How long to wait for a lock of another process in one attempt; 5 s unless told. Opening, reading, snapshots and
    /// checkpoints make one attempt, appends as many as their time allows.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How many bytes of events may wait to be written; 64 MiB unless told. Appends beyond that wait for room.
    #[must_use]
    pub fn queue_bytes(mut self, bytes: u32) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// How often subscriptions look for events of other processes; every 50 ms unless told. Those of their own process
    /// they see at once.
    #[must_use]
    pub fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// As [`SqliteEventStore::open`].
    pub async fn open(self) -> Result<SqliteEventStore, OpenError> {
        SqliteEventStore::open_with(self).await
    }
}
