//! An event store that does to each append what it is told beforehand.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, AppendError, Appended, EventId, EventStore, Failure, Filter, GlobalPosition, Head, ListStreams, LogPage,
    ReadAll, ReadStream, StoreError, StreamFactsStore, StreamList, StreamPage, Subscription,
};
use tokio::sync::watch;

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is written and answered.
    None,
    /// The store is not there.
    Away,
    /// It is written, and the answer is lost.
    LostAnswer,
    /// It is lost on the way, and so is the answer.
    LostOnTheWay,
    /// It is written, and no answer comes before the next plan.
    WrittenAndSilent,
    /// Nothing is written, and no answer comes before the next plan.
    Silent,
}

#[derive(Debug, Clone, Default)]
pub struct StallingStore {
    pub inner: InMemoryEventStore,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    calls: Arc<AtomicUsize>,
    appends: Arc<AtomicUsize>,
    plans: watch::Sender<usize>,
}

impl StallingStore {
    /// What happens to the next appends, one by one; those after them are written and answered.
    pub fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.faults.lock().unwrap() = faults.into_iter().collect();
        self.plans.send_modify(|plans| *plans += 1);
    }

    /// How often it was asked anything.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn appends(&self) -> usize {
        self.appends.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl EventStore for StallingStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.appends.fetch_add(1, Ordering::SeqCst);
        let mut plans = self.plans.subscribe();
        let fault = self.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let event_ids = append.event_ids();
        let unknown = || Err(AppendError::Unknown { event_ids, source: Failure::new("the line went dead") });
        match fault {
            Fault::None => self.inner.append(append).await,
            Fault::Away => Err(AppendError::Transient(Failure::new("down for a moment"))),
            Fault::LostAnswer => self.inner.append(append).await.and_then(|_| unknown()),
            Fault::LostOnTheWay => unknown(),
            Fault::WrittenAndSilent => {
                self.inner.append(append).await?;
                plans.changed().await.unwrap();
                unknown()
            }
            Fault::Silent => {
                plans.changed().await.unwrap();
                unknown()
            }
        }
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inner.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inner.read_stream(read).await
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
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
