//! An event store that fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{
    Append, AppendError, Appended, CatchUpSubscription, Condition, EventId, EventStore, ExpectedVersion, Filter,
    GlobalPosition, Head, Hint, ListStreams, LogPage, ReadAll, ReadStream, StoreError, StoreId, StreamFactsStore,
    StreamList, StreamPage, Subscription,
};

use super::{Fault, Faults, no_answer, out_of_order, refused};

/// How late a subscription sees what was not appended through this store.
const POLL: Duration = Duration::from_millis(50);

/// Any event store, with faults. Clones share both.
///
/// ```
/// use cqrs_core::{Repository, in_memory::InMemoryEventStore};
/// use cqrs_testkit::sample::{Account, AccountId, Open};
/// use cqrs_testkit::{Fault, FaultyEventStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = FaultyEventStore::new(InMemoryEventStore::new());
/// let accounts = Repository::<Account>::new(store.clone());
/// let id = AccountId::new("ACC-001");
///
/// store.faults.next("append", [Fault::Before, Fault::Conflict]);
/// assert!(accounts.execute(&id, Open { owner: "Ann".to_owned() }).await.is_err(), "out of order");
/// accounts.execute(&id, Open { owner: "Ann".to_owned() }).await?; // decided again after a conflict
/// assert_eq!(store.faults.calls("append"), 3);
///
/// let gate = store.faults.gate("read_stream");
/// let load = tokio::spawn({
///     let (accounts, id) = (accounts.clone(), id.clone());
///     async move { accounts.load(&id).await }
/// });
/// gate.reached().await; // the load has begun, and goes no further
/// drop(gate);
/// assert!(load.await??.is_some());
/// # Ok(())
/// # }
/// ```
///
/// A subscription reads page by page; these calls are named `page`, to tell them from `read_all`. What is known of the
/// streams ([`stream_facts`](EventStore::stream_facts)) has no faults.
#[derive(Debug, Clone)]
pub struct FaultyEventStore<S> {
    /// The store itself.
    pub inner: S,
    /// What happens to the calls of [`CALLS`](Self::CALLS).
    pub faults: Faults,
    newest: Hint,
    /// Pages of the log hold so many events at most.
    page: Arc<AtomicUsize>,
    store_id: Option<StoreId>,
    /// What reading the log is called.
    reading: &'static str,
}

impl<S> FaultyEventStore<S> {
    /// The names of its calls.
    pub const CALLS: &'static [&'static str] =
        &["append", "outcome", "read_stream", "read_all", "page", "list_streams", "head", "subscribe"];

    /// Those of them that read.
    pub const READS: &'static [&'static str] =
        &["read_stream", "read_all", "page", "list_streams", "head", "subscribe"];

    /// This store, without any fault yet.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            faults: Faults::of(Self::CALLS),
            newest: Hint::new(),
            page: Arc::new(AtomicUsize::new(usize::MAX)),
            store_id: None,
            reading: "read_all",
        }
    }

    /// Pages of the log hold so many events at most.
    #[must_use]
    pub fn page(self, events: usize) -> Self {
        self.set_page(events);
        self
    }

    /// What is read of the log from now on is cut otherwise: see [`page`](Self::page).
    pub fn set_page(&self, events: usize) {
        self.page.store(events, Ordering::Relaxed);
    }

    /// Says that it is this store, as one does that was restored from its backup and has lost its newest events.
    #[must_use]
    pub fn restored(mut self, from: StoreId) -> Self {
        self.store_id = Some(from);
        self
    }

    async fn read<T>(&self, call: &str, made: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.faults.around(call, made, StoreError::Transient, StoreError::Permanent).await
    }
}

impl<S: Default> Default for FaultyEventStore<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}

impl<S: EventStore> FaultyEventStore<S> {
    /// As if another writer had been faster: what the append expects first does not hold, else the stream that it writes to
    /// first has moved on.
    async fn conflict(&self, append: &Append) -> AppendError {
        let expected = append.conditions.iter().find_map(|condition| match condition {
            Condition::Stream { stream, expected } => Some(Ok((stream.clone(), *expected))),
            Condition::NoneMatching { query, after } => {
                Some(Err(AppendError::Matched { query: query.clone(), position: after.next() }))
            }
            _ => None,
        });
        let first = append.events.first().map(|event| Ok((event.stream.clone(), ExpectedVersion::Any)));
        let (stream, expected) = match expected.or(first) {
            Some(Ok(expected)) => expected,
            Some(Err(matched)) => return matched,
            None => return AppendError::Transient(out_of_order()),
        };
        let newest = ReadStream::new(stream.clone()).backward().limit(1);
        match self.inner.read_stream(newest).await {
            Ok(page) => {
                let actual = page.events.first().map(|event| event.version);
                AppendError::Conflict { stream, expected, actual }
            }
            Err(_) => AppendError::Transient(out_of_order()),
        }
    }

    async fn write(&self, append: Append) -> Result<Appended, AppendError> {
        let appended = self.inner.append(append).await?;
        self.newest.advance(appended.position);
        Ok(appended)
    }
}

#[async_trait]
impl<S: EventStore + Clone> EventStore for FaultyEventStore<S> {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        match self.faults.draw("append").await {
            Fault::Before | Fault::Torn => Err(AppendError::Transient(out_of_order())),
            Fault::Permanent => Err(AppendError::Permanent(refused())),
            Fault::Conflict => Err(self.conflict(&append).await),
            Fault::After => {
                let event_ids = append.event_ids();
                self.write(append).await?;
                Err(AppendError::Unknown { event_ids, source: no_answer() })
            }
            Fault::None => self.write(append).await,
        }
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        let made = self.inner.outcome(ids);
        self.faults.around("outcome", made, AppendError::Transient, AppendError::Permanent).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        self.read("read_stream", self.inner.read_stream(read)).await
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        let limit = read.limit.min(self.page.load(Ordering::Relaxed));
        self.read(self.reading, self.inner.read_all(read.limit(limit))).await
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        self.read("list_streams", self.inner.list_streams(list)).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        let head = self.read("head", self.inner.head()).await?;
        Ok(Head { store_id: self.store_id.unwrap_or(head.store_id), ..head })
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        let (pages, wake) = (Arc::new(Self { reading: "page", ..self.clone() }), self.newest.wake());
        let made = async { Ok(CatchUpSubscription::new(pages, after, filter, wake, POLL)) };
        Ok(Box::new(self.read("subscribe", made).await?))
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self.inner.stream_facts()
    }
}
