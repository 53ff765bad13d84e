//! The event store on PostgreSQL.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::append_queue::AppendQueue;
use cqrs_core::{
    Append, AppendError, Appended, CatchUpSubscription, Direction, EventId, EventStore, Failure, Filter,
    GlobalPosition, Head, Hint, Limits, ListStreams, Listener, LogPage, ReadAll, ReadStream, StoreError, StoreId,
    StreamFactsStore, StreamHead, StreamList, StreamName, StreamPage, Subscription,
};
use futures::TryStreamExt;
use sqlx::{PgExecutor, Row};
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use crate::append_queue::PgGroupWriter;
use crate::checkpoint_store::PgCheckpointStore;
use crate::dead_letter_store::PgDeadLetterStore;
use crate::error::store_error;
use crate::lease::PgLeaseStore;
use crate::options::PgOptions;
use crate::read_log;
use crate::row::{self, Rows};
use crate::schema::Schema;
use crate::session::Sessions;
use crate::settings::Settings;
use crate::snapshot_store::PgSnapshotStore;
use crate::statements::Statements;
use crate::subscription::{Hints, listen};
use crate::value::PgTimestamp;

/// An event store in one schema of a PostgreSQL database (15 or newer). Clones share connections and queue.
#[derive(Debug, Clone)]
pub struct PgEventStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sessions: Sessions,
    queue: AppendQueue,
    hints: Hints,
    listener: Listener,
    sql: Statements,
    id: OnceCell<StoreId>,
    options: PgOptions,
}

impl PgEventStore {
    /// Connects to the schema `cqrs` of the database at `url`; [`PgOptions`] for anything else. The schema must have been
    /// [migrated](Self::migrate) before events are written or read.
    ///
    /// # Errors
    /// [`StoreError::Transient`] when the database cannot be reached, [`StoreError::Permanent`] when the address is wrong
    /// or the database refuses.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let options = PgOptions::new(url).map_err(|error| StoreError::Permanent(Failure::new(error)))?;
        Self::connect_with(options).await
    }

    pub(crate) async fn connect_with(options: PgOptions) -> Result<Self, StoreError> {
        // One more than asked for: the listener keeps one.
        let connections = options.read_connections.saturating_add(1);
        let settings = Settings::of_readers(&options);
        let sessions = Sessions::connect(&options.connect, settings, connections, options.read_timeout);
        let sessions = sessions.await.map_err(store_error)?;
        let sql = Statements::new(&options.schema, !options.behind_pooler);
        let newest = Hint::new();
        // Unlike any other writer's: by this name it finds sessions that it has given up.
        let session = format!("cqrs-append:{}:{:08x}", options.schema, Uuid::new_v4().as_fields().0);
        let writer = PgGroupWriter {
            connect: options.connect.clone(),
            settings: Settings::of_appender(&options, session),
            sql: sql.clone(),
            attempt_timeout: options.attempt_timeout,
            connection: None,
        };
        let queue = AppendQueue::start(writer, options.queue_bytes, options.append_timeout, newest.clone());
        let hints = Hints { newest, outbox: watch::Sender::new(()) };
        let (listener, id) = (Listener::default(), OnceCell::new());
        Ok(Self(Arc::new(Inner { sessions, queue, hints, listener, sql, id, options })))
    }

    /// The snapshots beside these events.
    #[must_use]
    pub fn snapshots(&self) -> PgSnapshotStore {
        PgSnapshotStore { sessions: self.0.sessions.clone(), sql: self.0.sql.clone() }
    }

    /// The checkpoints beside these events.
    #[must_use]
    pub fn checkpoints(&self) -> PgCheckpointStore {
        PgCheckpointStore { sessions: self.0.sessions.clone(), sql: self.0.sql.clone() }
    }

    /// The dead letters of projections beside these events.
    #[must_use]
    pub fn dead_letters(&self) -> PgDeadLetterStore {
        PgDeadLetterStore { sessions: self.0.sessions.clone(), sql: self.0.sql.clone() }
    }

    /// The leases beside these events, for the processes that share projections. Each call makes a connection of its own: clone
    /// what it gives.
    #[must_use]
    pub fn leases(&self) -> PgLeaseStore {
        let options = &self.0.options;
        let settings = Settings::of_readers(options);
        let sessions = Sessions::lazily(&options.connect, settings, 1, options.read_timeout);
        PgLeaseStore { sessions, sql: self.0.sql.clone() }
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn sql(&self) -> &Statements {
        &self.0.sql
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.options.limits
    }

    pub(crate) fn append_timeout(&self) -> Duration {
        self.0.options.append_timeout
    }

    /// Starts to hear of what is committed, unless that was done.
    pub(crate) fn listen(&self) {
        let Inner { sessions, hints, listener, options, .. } = &*self.0;
        // A pooler gives nobody a session to listen on.
        if !options.behind_pooler {
            listener.start(|| listen(sessions.pool().clone(), options.schema.clone(), hints.clone()));
        }
    }

    /// How often readers look for what they were not told of.
    pub(crate) fn poll(&self) -> Duration {
        self.0.options.poll
    }

    /// Changes when messages were enqueued.
    pub(crate) fn outbox_wake(&self) -> watch::Receiver<()> {
        self.0.hints.outbox.subscribe()
    }

    /// The identity of the store, asked for once.
    pub(crate) async fn id(&self) -> Result<StoreId, StoreError> {
        self.0.id.get_or_try_init(|| async { Ok(self.head().await?.store_id) }).await.copied()
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.0.options.attempt_timeout
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.0.options.schema
    }

    async fn read_names(&self, list: &ListStreams) -> Result<StreamList, sqlx::Error> {
        let limit = list.limit.max(1);
        let (after, before) = list.bounds();
        let mut session = self.0.sessions.start().await?;
        let statement = self.0.sql.query(&self.0.sql.list_streams);
        let rows =
            statement.bind(after).bind(before).bind(bound(limit.saturating_add(1))).fetch_all(&mut *session).await?;
        session.done().await?;
        let head = |row| -> Result<StreamHead, sqlx::Error> {
            let stream = StreamName::new(Row::try_get::<&str, _>(row, 0)?).map_err(row::corrupt)?;
            Ok(StreamHead::new(stream, row::version(row, 1)?))
        };
        let streams = rows.iter().take(limit).map(head).collect::<Result<_, _>>()?;
        Ok(StreamList { streams, more: rows.len() > limit })
    }

    async fn read_window(&self, read: &ReadStream) -> Result<StreamPage, sqlx::Error> {
        let limit = read.limit.max(1);
        let statement = match read.direction {
            Direction::Forward => &self.0.sql.read_stream_forward,
            Direction::Backward => &self.0.sql.read_stream_backward,
        };
        let mut session = self.0.sessions.start().await?;
        let mut found = self
            .0
            .sql
            .query(statement)
            .bind(read.stream.as_str())
            .bind(read.from.get().cast_signed())
            .bind(read.to.get().cast_signed())
            .bind(PgTimestamp(read.recorded_until))
            .bind(read.until.get().cast_signed())
            .bind(bound(limit.saturating_add(1)))
            .fetch(&mut *session);
        let mut page = StreamPage::default();
        let mut rows = Rows::default();
        while let Some(row) = found.try_next().await? {
            if row.try_get_unchecked::<Option<i64>, _>(0)?.is_some() {
                page.events.push(rows.event(&row)?);
            } else {
                page.truncated_before = Some(row::version(&row, 9)?);
            }
        }
        drop(found);
        session.done().await?;
        // They come in order, though SQL promises none for a union.
        match read.direction {
            Direction::Forward => page.events.sort_by_key(|event| event.version),
            Direction::Backward => page.events.sort_by_key(|event| Reverse(event.version)),
        }
        page.more = page.events.len() > limit;
        page.events.truncate(limit);
        Ok(page)
    }
}

#[async_trait]
impl EventStore for PgEventStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.check(&self.0.options.limits)?;
        self.0.queue.append(append).await
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.0.queue.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        self.0.sessions.in_time(self.read_window(&read)).await.map_err(store_error)
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        read.filter.check()?;
        self.0.sessions.in_time(read_log::page(&self.0.sessions, &self.0.sql, &read)).await.map_err(store_error)
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        self.0.sessions.in_time(self.read_names(&list)).await.map_err(store_error)
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let read = async {
            let mut session = self.0.sessions.start().await?;
            let head = read_head(&mut *session, &self.0.sql).await?;
            session.done().await?;
            Ok(head)
        };
        self.0.sessions.in_time(read).await.map_err(store_error)
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        self.listen();
        let (store, wake) = (Arc::new(self.clone()), self.0.hints.newest.wake());
        Ok(Box::new(CatchUpSubscription::new(store, after, filter, wake, self.poll())))
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self
    }
}

pub(crate) async fn read_head(executor: impl PgExecutor<'_>, sql: &Statements) -> Result<Head, sqlx::Error> {
    let row = sql.query(&sql.head).fetch_one(executor).await?;
    let position: Option<i64> = row.try_get(1)?;
    Ok(Head {
        store_id: StoreId::from_uuid(row.try_get::<Uuid, _>(0)?),
        position: position.map_or(GlobalPosition::START, |number| GlobalPosition::new(number.cast_unsigned())),
        event_id: row.try_get::<Option<Uuid>, _>(2)?.map(EventId::from_uuid),
        recorded_at: row.try_get::<Option<PgTimestamp>, _>(3)?.map(|time| time.0),
    })
}

pub(crate) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
