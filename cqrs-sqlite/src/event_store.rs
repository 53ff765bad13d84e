//! The event store in one SQLite file.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::append_queue::AppendQueue;
use cqrs_core::{
    Append, AppendError, Appended, CatchUpSubscription, Direction, EventId, EventStore, Filter, GlobalPosition, Head,
    Hint, Limits, ListStreams, Listener, LogPage, ReadAll, ReadStream, StoreError, StoreId, StreamFactsStore,
    StreamHead, StreamList, StreamPage, Subscription, Timestamp,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteExecutor, SqlitePool};
use uuid::Uuid;

use crate::append_queue::SqliteGroupWriter;
use crate::checkpoint_store::SqliteCheckpointStore;
use crate::connection::{WriteConnection, read_pool};
use crate::dead_letter_store::SqliteDeadLetterStore;
use crate::error::store_error;
use crate::insert::Insert;
use crate::lease::SqliteLeaseStore;
use crate::migrate::{self, OpenError};
use crate::options::SqliteOptions;
use crate::row::{self, Events};
use crate::snapshot_store::SqliteSnapshotStore;
use crate::statements::{
    HEAD, LIST_STREAMS, READ_ALL, READ_CATEGORIES, READ_EVENT_TYPES, READ_STREAM_BACKWARD, READ_STREAM_FORWARD,
};
use crate::subscription::{POLL, listen};

/// Events that travel together at most: beyond some hundred there is nothing to be gained.
const PACK_EVENTS: usize = 256;

/// Bytes that travel together at most, when all events are as large as they may be.
const PACK_BYTES: usize = 64 << 20;

/// An event store in one SQLite file. Clones share connections and queue.
///
/// An append that was acknowledged is on the disk: it survives a crash of the process and a power loss. Beside the file
/// lie two more of its name, ending in `-wal` and `-shm`, until every process that uses it has [closed](Self::close) it;
/// the first holds events, so a copy of a file that is in use needs `sqlite3 file ".backup copy"`.
#[derive(Debug, Clone)]
pub struct SqliteEventStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: SqlitePool,
    writes: Arc<WriteConnection>,
    insert: Insert,
    queue: AppendQueue,
    newest: Hint,
    listener: Listener,
    options: SqliteOptions,
}

impl SqliteEventStore {
    /// Opens the file at `path`, creates it where there is none, and brings its tables up to date; [`SqliteOptions`] for
    /// anything else. Several processes may do so at once.
    ///
    /// # Errors
    /// [`OpenError`] when the file is something else or cannot be opened: nothing in it was changed.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(SqliteOptions::new(path)).await
    }

    pub(crate) async fn open_with(options: SqliteOptions) -> Result<Self, OpenError> {
        let connection = migrate::open(&options).await?;
        let writes = Arc::new(WriteConnection::new(&options, connection));
        let newest = Hint::new();
        let insert = Insert::new();
        let writer = SqliteGroupWriter::new(Arc::clone(&writes), insert.clone());
        let queue = AppendQueue::start(writer, options.queue_bytes, options.append_timeout, newest.clone());
        let pool = read_pool(&options);
        Ok(Self(Arc::new(Inner { pool, writes, insert, queue, newest, listener: Listener::default(), options })))
    }

    /// The snapshots beside these events.
    #[must_use]
    pub fn snapshots(&self) -> SqliteSnapshotStore {
        SqliteSnapshotStore { pool: self.0.pool.clone(), writes: Arc::clone(&self.0.writes) }
    }

    /// The checkpoints beside these events.
    #[must_use]
    pub fn checkpoints(&self) -> SqliteCheckpointStore {
        SqliteCheckpointStore { pool: self.0.pool.clone(), writes: Arc::clone(&self.0.writes) }
    }

    /// Closes the file, when what is being written and read is done. The last one to close it leaves one file with
    /// everything in it; a process that ends without leaves three, which the next one to open it puts together.
    ///
    /// Whatever is asked of its clones, snapshots and checkpoints afterwards is a `Permanent` error; appends that still
    /// wait are not written.
    ///
    /// # Errors
    /// [`StoreError`] when the file could not be put together: nothing is lost, and three files stay.
    pub async fn close(&self) -> Result<(), StoreError> {
        // Readers first: only one that may write can put the file together.
        self.0.pool.close().await;
        self.0.writes.turn().await.close_for_good().await.map_err(store_error)
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.0.pool
    }

    pub(crate) fn writes(&self) -> &WriteConnection {
        &self.0.writes
    }

    pub(crate) fn insert(&self) -> &Insert {
        &self.0.insert
    }

    pub(crate) fn newest(&self) -> &Hint {
        &self.0.newest
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    /// The dead letters of projections beside these events.
    #[must_use]
    pub fn dead_letters(&self) -> SqliteDeadLetterStore {
        SqliteDeadLetterStore { pool: self.0.pool.clone(), writes: Arc::clone(&self.0.writes) }
    }

    /// The leases beside these events, for the processes that share projections.
    #[must_use]
    pub fn leases(&self) -> SqliteLeaseStore {
        SqliteLeaseStore { pool: self.0.pool.clone(), writes: Arc::clone(&self.0.writes) }
    }

    async fn read_page(&self, read: &ReadAll) -> Result<LogPage, sqlx::Error> {
        let (filter, skip_archived) = read.filter.parts();
        if let Filter::Query(query) = filter
            && !query.is_all()
        {
            return self.read_query(read, query).await;
        }
        let limit = read.limit.max(1);
        let (statement, wanted) = match filter {
            Filter::EventTypes(wanted) => (READ_EVENT_TYPES, Some(serde_json::to_string(wanted))),
            Filter::Categories(wanted) => (READ_CATEGORIES, Some(serde_json::to_string(wanted))),
            _ => (READ_ALL, None),
        };
        let wanted = wanted.transpose().map_err(|error| sqlx::Error::Encode(error.into()))?;
        let mut page = LogPage { scanned_to: read.after, ..LogPage::default() };
        let mut left = limit;
        let mut unpacked = Events::default();
        let mut connection = self.0.pool.acquire().await?;
        loop {
            let most = self.pack(left);
            let mut query = sqlx::query(statement)
                .bind(page.scanned_to.get().cast_signed())
                .bind(read.until.get().cast_signed())
                .bind(bound(most))
                .bind(skip_archived);
            if let Some(wanted) = &wanted {
                query = query.bind(wanted);
            }
            let row = query.fetch_one(&mut *connection).await?;
            unpacked.unpack(packed(&row, 1)?, &mut page.events)?;
            let end = read.until.min(row::position(&row, 0)?);
            let places = usize::try_from(row.try_get_unchecked::<i64, _>(2)?).map_err(row::corrupt)?;
            page.scanned_to = if places == most { row::position(&row, 3)? } else { end.max(read.after) };
            page.more = page.scanned_to < end;
            left -= places;
            let bytes: usize = page.events.iter().map(cqrs_core::RecordedEvent::bytes).sum();
            if !page.more || left == 0 || bytes >= read.bytes {
                page.cut(read.bytes);
                return Ok(page);
            }
        }
    }

    async fn read_window(&self, read: &ReadStream) -> Result<StreamPage, sqlx::Error> {
        let limit = read.limit.max(1);
        let (mut from, mut to) = (read.from, read.to);
        let statement = match read.direction {
            Direction::Forward => READ_STREAM_FORWARD,
            Direction::Backward => READ_STREAM_BACKWARD,
        };
        let mut page = StreamPage::default();
        let mut unpacked = Events::default();
        let mut connection = self.0.pool.acquire().await?;
        loop {
            // One more than wanted tells whether there is more.
            let most = self.pack(limit.saturating_add(1) - page.events.len());
            let row = sqlx::query(statement)
                .bind(read.stream.as_str())
                .bind(from.get().cast_signed())
                .bind(to.get().cast_signed())
                .bind(read.recorded_until.as_micros())
                .bind(read.until.get().cast_signed())
                .bind(bound(most))
                .fetch_one(&mut *connection)
                .await?;
            let before = page.events.len();
            unpacked.unpack(packed(&row, 1)?, &mut page.events)?;
            if !row::is_null(&row, 0)? {
                page.truncated_before = Some(row::version(&row, 0)?);
            }
            let full = page.events.len() - before == most;
            page.more = page.events.len() > limit;
            let next = page.events.last().and_then(|last| match read.direction {
                Direction::Forward => Some((last.version.next(), to)),
                Direction::Backward => Some((from, last.version.previous()?)),
            });
            match next {
                Some(window) if full && !page.more => (from, to) = window,
                _ => break,
            }
        }
        page.events.truncate(limit);
        // It may have been truncated between two packs.
        page.events.retain(|event| page.truncated_before.is_none_or(|before| event.version >= before));
        Ok(page)
    }

    async fn read_names(&self, list: &ListStreams) -> Result<StreamList, sqlx::Error> {
        let limit = list.limit.max(1);
        let (after, before) = list.bounds();
        let query = sqlx::query(LIST_STREAMS).bind(after).bind(before).bind(bound(limit.saturating_add(1)));
        let rows = query.fetch_all(&self.0.pool).await?;
        let head = |row| Ok::<_, sqlx::Error>(StreamHead::new(row::stream(row, 0)?, row::version(row, 1)?));
        let streams = rows.iter().take(limit).map(head).collect::<Result<_, _>>()?;
        Ok(StreamList { streams, more: rows.len() > limit })
    }

    /// How many events travel together, of so many that are wanted: all of them in memory three times for a moment.
    pub(crate) fn pack(&self, wanted: usize) -> usize {
        wanted.min(PACK_BYTES / self.0.options.limits.event_bytes.max(1)).clamp(1, PACK_EVENTS)
    }
}

#[async_trait]
impl EventStore for SqliteEventStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check(&self.0.options.limits)?;
        self.0.queue.append(append).await
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.0.queue.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        self.read_window(&read).await.map_err(store_error)
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        read.filter.check()?;
        self.read_page(&read).await.map_err(store_error)
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        self.read_names(&list).await.map_err(store_error)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        read_head(&self.0.pool).await.map_err(store_error)
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        let Inner { pool, newest, listener, options, .. } = &*self.0;
        listener.start(|| listen(pool.clone(), options.poll, newest.clone()));
        let store = Arc::new(self.clone());
        Ok(Box::new(CatchUpSubscription::new(store, after, filter, newest.wake(), POLL.max(options.poll))))
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self
    }
}

pub(crate) async fn read_head(executor: impl SqliteExecutor<'_>) -> Result<Head, sqlx::Error> {
    let row = sqlx::query(HEAD).fetch_one(executor).await?;
    let position: Option<i64> = row.try_get(1)?;
    Ok(Head {
        store_id: StoreId::from_uuid(row.try_get::<Uuid, _>(0)?),
        position: position.map_or(GlobalPosition::START, |number| GlobalPosition::new(number.cast_unsigned())),
        event_id: row.try_get::<Option<Uuid>, _>(2)?.map(EventId::from_uuid),
        recorded_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp::from_micros),
    })
}

/// Nothing when no event was found.
pub(crate) fn packed(row: &SqliteRow, column: usize) -> Result<&[u8], sqlx::Error> {
    row.try_get_unchecked::<Option<&[u8]>, _>(column).map(Option::unwrap_or_default)
}

pub(crate) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
