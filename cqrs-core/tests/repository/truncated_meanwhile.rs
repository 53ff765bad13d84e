//! Truncations that happen while a stream is being read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, AppendError, Appended, AsOf, EventId, EventStore, Filter, GlobalPosition, Head, LogPage, ReadAll,
    ReadStream, Repository, StoreError, StreamFactsChange, StreamFactsStore, StreamPage, Subscription,
};

use super::truncating::{Diary, Note, SumUp, assert_truncated, entries, id, stream, version};

/// Pages of two events; after the first page of a stream it is truncated before version 5.
#[derive(Debug, Clone, Default)]
struct TruncatedMeanwhile {
    inner: InMemoryEventStore,
    truncates: Arc<AtomicBool>,
}

#[async_trait]
impl EventStore for TruncatedMeanwhile {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.inner.append(append).await
    }

    async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        self.inner.outcome(ids).await
    }

    async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, StoreError> {
        let page = self.inner.read_stream(read.limit(2)).await?;
        if self.truncates.swap(false, Ordering::SeqCst) {
            self.inner.change_facts(&stream(), StreamFactsChange::TruncateBefore(version(5))).await.unwrap();
        }
        Ok(page)
    }

    async fn read_all(&self, read: ReadAll) -> Result<LogPage, StoreError> {
        self.inner.read_all(read).await
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

/// 1 to 4 noted, summed up to 10 as the fifth event, then 6 and 7 noted.
async fn given() -> (TruncatedMeanwhile, Repository<Diary>) {
    let store = TruncatedMeanwhile::default();
    let diaries = Repository::<Diary>::new(store.clone());
    for number in 1..=4 {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    diaries.execute(&id(), SumUp).await.unwrap();
    for number in [6, 7] {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    (store.clone(), crate::repository(store))
}

#[tokio::test]
async fn a_state_that_is_truncated_while_it_is_read_is_right() {
    let (store, diaries) = given().await;
    store.truncates.store(true, Ordering::SeqCst);
    assert_eq!(entries(&diaries).await, [10, 6, 7]);
}

#[tokio::test]
async fn a_history_that_is_truncated_while_it_is_read_has_no_gap() {
    let (store, diaries) = given().await;
    store.truncates.store(true, Ordering::SeqCst);
    let history = diaries.history(&id()).await.unwrap();
    assert_eq!(history.iter().map(|event| event.version.get()).collect::<Vec<_>>(), [5, 6, 7]);
}

#[tokio::test]
async fn a_past_that_is_truncated_while_it_is_read_is_an_error_and_not_the_half_of_it() {
    let history = given().await.1.history(&id()).await.unwrap();
    assert_eq!(history.len(), 7);
    for kind in 0..3 {
        let (store, diaries) = given().await;
        let fourth = diaries.history(&id()).await.unwrap().swap_remove(3);
        let moment = match kind {
            0 => AsOf::Version(fourth.version),
            1 => AsOf::Position(fourth.position),
            _ => AsOf::Recorded(fourth.recorded_at),
        };
        store.truncates.store(true, Ordering::SeqCst);
        assert_truncated(&diaries.load_as_of(&id(), moment).await, 5);
    }
}
