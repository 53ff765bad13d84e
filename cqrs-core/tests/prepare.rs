//! Events that are not readable as they were recorded.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, EventStore, EventType, Failure, Filter, GlobalPosition, NewEvent, Payload, Prepare, PreparedEventStore,
    RecordedEvent, Repository, StoreError, StreamName,
};
use cqrs_testkit::sample::{Account, AccountId};
use cqrs_testkit::{Fixture, event_store_contract, subscription_contract};

/// Payloads were recorded as JSON strings; the keys are away for the first calls.
#[derive(Debug, Clone, Default)]
struct Unwrap {
    away: Arc<AtomicUsize>,
}

#[async_trait]
impl Prepare for Unwrap {
    async fn prepare(&self, page: &mut [RecordedEvent]) -> Result<(), StoreError> {
        for event in page {
            if self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(StoreError::Transient(Failure::new("the keys are away")));
            }
            let inner: String = event.payload.decode().map_err(|error| StoreError::Permanent(Failure::new(error)))?;
            event.payload = Payload::from_bytes(inner);
        }
        Ok(())
    }
}

async fn wrapped_account() -> InMemoryEventStore {
    let store = InMemoryEventStore::new();
    let stream = StreamName::new("account-ACC-001").unwrap();
    let wrapped = |event_type: &str, json: &str| {
        NewEvent::raw(stream.clone(), EventType::new(event_type).unwrap(), Payload::encode(json).unwrap())
    };
    let opened = wrapped("account.opened.v1", r#"{"owner":"Ann"}"#);
    let deposited = wrapped("account.deposited.v2", r#"{"amount":5,"currency":"VND"}"#);
    store.append(Append::new(vec![opened, deposited])).await.unwrap();
    store
}

#[tokio::test]
async fn a_repository_decodes_what_was_prepared() {
    let store = wrapped_account().await;
    let id = AccountId::new("ACC-001");
    assert!(Repository::<Account>::new(store.clone()).load(&id).await.is_err(), "as recorded it is not readable");
    let accounts = Repository::<Account>::new(PreparedEventStore::new(store, Unwrap::default()));
    assert_eq!(accounts.load(&id).await.unwrap().unwrap().state.balance(), 5);
    assert_eq!(accounts.history(&id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_page_that_could_not_be_prepared_is_delivered_later() {
    let prepare = Unwrap { away: Arc::new(AtomicUsize::new(2)) };
    let store = PreparedEventStore::new(wrapped_account().await, prepare);
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    for _ in 0..2 {
        assert!(subscription.next().await.unwrap_err().is_transient());
        assert_eq!(subscription.position(), GlobalPosition::START);
    }
    let page = subscription.next().await.unwrap();
    assert_eq!(page.events.len(), 2);
    assert_eq!(page.events[0].payload.as_str(), r#"{"owner":"Ann"}"#);
}

/// Leaves everything as it is.
#[derive(Debug)]
struct Nothing;

#[async_trait]
impl Prepare for Nothing {
    async fn prepare(&self, _: &mut [RecordedEvent]) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

async fn prepared() -> Fixture<dyn EventStore> {
    Fixture::new(Arc::new(PreparedEventStore::new(InMemoryEventStore::new(), Nothing)))
}

mod events {
    super::event_store_contract!(super::prepared);
}

mod subscriptions {
    super::subscription_contract!(super::prepared);
}
