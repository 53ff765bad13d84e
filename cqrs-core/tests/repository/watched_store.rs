//! An event store that counts what is asked of it, and can interfere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, AppendError, Appended, Clock, EventId, EventStore, EventType, Filter, GlobalPosition, Head, ListStreams,
    LogPage, NewEvent, Payload, ReadAll, ReadStream, StoreError, StreamFactsChange, StreamFactsStore, StreamList,
    StreamPage, Subscription, Version,
};

#[derive(Debug, Clone, Default)]
pub struct WatchedStore {
    pub inner: InMemoryEventStore,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    read: AtomicUsize,
    appends: AtomicUsize,
    rivals: AtomicUsize,
    /// The version before which the next stream that is read is truncated after its first page; 0 for none.
    truncated_meanwhile: AtomicU64,
}

impl WatchedStore {
    /// An empty one whose events are recorded when this clock says.
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { inner: InMemoryEventStore::with_clock(clock), counts: Arc::default() }
    }

    /// How many events of streams were read since it was last asked.
    pub fn events_read(&self) -> usize {
        self.counts.read.swap(0, Ordering::SeqCst)
    }

    /// How many appends were tried since it was last asked.
    pub fn appends(&self) -> usize {
        self.counts.appends.swap(0, Ordering::SeqCst)
    }

    /// Lets a rival write to the stream just before each of the next `times` appends.
    pub fn with_rivals(self, times: usize) -> Self {
        self.counts.rivals.store(times, Ordering::SeqCst);
        self
    }

    /// The next page of a stream has two events, and then the stream is truncated before this version.
    pub fn truncate_after_the_next_page(&self, before: u64) {
        self.counts.truncated_meanwhile.store(before, Ordering::SeqCst);
    }
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

#[async_trait]
impl EventStore for WatchedStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.counts.appends.fetch_add(1, Ordering::SeqCst);
        if take_one(&self.counts.rivals) {
            let added = EventType::new("counter.added.v1").unwrap();
            let rival =
                NewEvent::raw(append.events[0].stream.clone(), added, Payload::from_bytes(r#"{"amount":1000}"#));
            self.inner.append(Append::new(vec![rival])).await?;
        }
        self.inner.append(append).await
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.inner.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        let page = match Version::new(self.counts.truncated_meanwhile.swap(0, Ordering::SeqCst)) {
            None => self.inner.read_stream(read).await?,
            Some(before) => {
                let stream = read.stream.clone();
                let page = self.inner.read_stream(read.limit(2)).await?;
                let change = StreamFactsChange::TruncateBefore(before);
                self.inner.change_facts(&stream, change).await.unwrap();
                page
            }
        };
        self.counts.read.fetch_add(page.events.len(), Ordering::SeqCst);
        Ok(page)
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        self.inner.read_all(read).await
    }

    async fn list_streams(&self, list: ListStreams) -> Result<StreamList, StoreError> {
        self.inner.list_streams(list).await
    }

    async fn head(&self) -> Result<Head, StoreError> {
        self.inner.head().await
    }

    async fn subscribe(&self, after: GlobalPosition, filter: Filter) -> Result<Box<dyn Subscription>, StoreError> {
        self.inner.subscribe(after, filter).await
    }

    fn stream_facts(&self) -> &dyn StreamFactsStore {
        self.inner.stream_facts()
    }
}
