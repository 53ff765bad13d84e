//! Commands: what they write, what they answer, and how they fail.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{AppendError, EventStore, ExecuteError, GlobalPosition, LoadError, ReadAll, Version};
use cqrs_testkit::sample::{Account, AccountError, AccountId, Open, Withdraw};
use cqrs_testkit::{Fault, FaultyEventStore};

use super::counter::{Add, AddOnes, Counter, TopUpTo, id};
use super::watched_store::WatchedStore;

async fn log_length(store: &dyn EventStore) -> usize {
    store.read_all(ReadAll::after(GlobalPosition::START)).await.unwrap().events.len()
}

#[tokio::test]
async fn a_command_answers_with_what_it_wrote() {
    let counters = crate::repository::<Counter>(WatchedStore::default());
    let done = counters.execute(&id(), AddOnes(3)).await.unwrap();
    assert_eq!((done.stream.as_str(), done.events, done.repeated), ("counter-a", 3, false));
    assert_eq!((done.version, done.position), (Version::new(3), GlobalPosition::new(3)));
    let done = counters.execute(&id(), Add(4)).await.unwrap();
    assert_eq!((done.events, done.version), (1, Version::new(4)));
    assert_eq!(counters.load(&id()).await.unwrap().unwrap().state.total, 7);
}

#[tokio::test]
async fn a_command_with_nothing_to_do_writes_nothing_and_answers_where_the_aggregate_stands() {
    let store = WatchedStore::default();
    let counters = crate::repository::<Counter>(store.clone());
    let done = counters.execute(&id(), TopUpTo(0)).await.unwrap();
    assert_eq!((done.events, done.version, done.position), (0, None, GlobalPosition::START));
    let first = counters.execute(&id(), Add(5)).await.unwrap();
    counters.execute(&"b".to_owned(), Add(5)).await.unwrap();
    let done = counters.execute(&id(), TopUpTo(5)).await.unwrap();
    assert_eq!((done.events, done.version, done.position, done.repeated), (0, first.version, first.position, false));
    assert_eq!(log_length(&store).await, 2);
}

#[tokio::test]
async fn a_command_that_the_domain_rejects_writes_nothing() {
    let store = WatchedStore::default();
    let accounts = crate::repository::<Account>(store.clone());
    let id = AccountId::new("ACC-001");
    accounts.execute(&id, Open { owner: "Ann".to_owned() }).await.unwrap();
    let error = accounts.execute(&id, Withdraw { amount: 5 }).await.unwrap_err();
    let expected = AccountError::InsufficientFunds { balance: 0, amount: 5 };
    assert!(matches!(&error, ExecuteError::Domain(error) if *error == expected), "{error:?}");
    assert_eq!(error.to_string(), expected.to_string(), "it speaks for itself");
    assert_eq!(log_length(&store).await, 1);
}

#[tokio::test]
async fn an_id_that_cannot_name_a_stream_is_refused_for_good() {
    let counters = crate::repository::<Counter>(WatchedStore::default());
    let error = counters.execute(&String::new(), Add(1)).await.unwrap_err();
    let ExecuteError::Permanent(failure) = &error else { panic!("{error:?}") };
    assert!(matches!(failure.inner().downcast_ref(), Some(LoadError::InvalidId(_))), "{failure:?}");
}

#[tokio::test]
async fn a_decision_that_no_append_can_hold_is_refused_for_good() {
    let store = WatchedStore::default();
    let error = crate::repository::<Counter>(store.clone()).execute(&id(), AddOnes(1_001)).await.unwrap_err();
    let ExecuteError::Permanent(failure) = &error else { panic!("{error:?}") };
    assert!(matches!(failure.inner().downcast_ref(), Some(AppendError::Invalid(_))), "{failure:?}");
    assert_eq!((log_length(&store).await, store.appends()), (0, 1), "it is not tried again");
}

#[tokio::test]
async fn an_answer_that_is_lost_can_be_found_out() {
    let store = FaultyEventStore::<InMemoryEventStore>::default();
    let counters = crate::repository::<Counter>(store.clone());
    store.faults.next("append", [Fault::After]);
    let error = counters.execute(&id(), AddOnes(2)).await.unwrap_err();
    let ExecuteError::Unknown { event_ids } = &error else { panic!("{error:?}") };
    let found = store.outcome(event_ids).await.unwrap().unwrap();
    assert_eq!(found.position, GlobalPosition::new(2));
    assert_eq!(store.faults.calls("append"), 1, "it is not tried again: that is for the caller to decide");
}

#[tokio::test]
async fn a_store_that_is_not_there_for_a_moment_is_a_transient_error() {
    let store = FaultyEventStore::<InMemoryEventStore>::default();
    let counters = crate::repository::<Counter>(store.clone());
    store.faults.next("append", [Fault::Before]);
    let error = counters.execute(&id(), Add(1)).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Transient(_)), "{error:?}");
    assert_eq!(log_length(&store).await, 0, "certainly nothing was written");
    counters.execute(&id(), Add(1)).await.unwrap();
}
