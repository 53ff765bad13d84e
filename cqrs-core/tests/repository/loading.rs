//! An aggregate as it is now, and its history.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Append, EventStore, EventType, LoadError, NewEvent, Payload, ReadStream, StreamName, Version};
use cqrs_testkit::sample::{Account, AccountEvent, AccountId, Deposit, Open, Status};

use super::counter::{Add, Counter, id};

fn account_id() -> AccountId {
    AccountId::new("ACC-001")
}

fn raw(event_type: &str, payload: &str) -> NewEvent {
    let stream = StreamName::new("account-ACC-001").unwrap();
    NewEvent::raw(stream, EventType::new(event_type).unwrap(), Payload::from_bytes(payload.to_owned()))
}

#[tokio::test]
async fn an_unknown_id_is_none() {
    let accounts = crate::repository::<Account>(InMemoryEventStore::new());
    assert_eq!(accounts.load(&account_id()).await.unwrap(), None);
    assert_eq!(accounts.history(&account_id()).await.unwrap(), []);
}

#[tokio::test]
async fn an_aggregate_is_loaded_with_the_place_of_its_newest_event() {
    let store = InMemoryEventStore::new();
    let accounts = crate::repository::<Account>(store.clone());
    accounts.execute(&account_id(), Open { owner: "Ann".to_owned() }).await.unwrap();
    accounts.execute(&AccountId::new("ACC-002"), Open { owner: "Bob".to_owned() }).await.unwrap();
    accounts.execute(&account_id(), Deposit::new(100, "VND")).await.unwrap();
    accounts.execute(&AccountId::new("ACC-002"), Deposit::new(7, "VND")).await.unwrap();

    let loaded = accounts.load(&account_id()).await.unwrap().unwrap();
    assert_eq!((loaded.state.balance(), loaded.state.status()), (100, Status::Active));
    let stream = StreamName::new("account-ACC-001").unwrap();
    let newest = store.read_stream(ReadStream::new(stream).backward()).await.unwrap().events.remove(0);
    assert_eq!((loaded.version, loaded.position), (newest.version, newest.position));
    assert_eq!((loaded.event_id, loaded.recorded_at), (newest.id, newest.recorded_at));
    assert_eq!((loaded.version.get(), loaded.provisional), (2, false));
}

#[tokio::test]
async fn an_id_that_cannot_name_a_stream_is_refused() {
    let accounts = crate::repository::<Account>(InMemoryEventStore::new());
    for bad in ["", "a\0b", "a\nb", &"x".repeat(300)] {
        let id = AccountId::new(bad);
        assert!(matches!(accounts.load(&id).await, Err(LoadError::InvalidId(_))), "{bad:?}");
        assert!(matches!(accounts.history(&id).await, Err(LoadError::InvalidId(_))), "{bad:?}");
        let as_of = cqrs_core::AsOf::Version(Version::FIRST);
        assert!(matches!(accounts.load_as_of(&id, as_of).await, Err(LoadError::InvalidId(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn the_history_holds_every_event_with_its_envelope_oldest_first() {
    let accounts = crate::repository::<Account>(InMemoryEventStore::new());
    accounts.execute(&account_id(), Open { owner: "Ann".to_owned() }).await.unwrap();
    accounts.execute(&account_id(), Deposit::new(100, "VND")).await.unwrap();
    let history = accounts.history(&account_id()).await.unwrap();
    let events: Vec<_> = history.iter().map(|recorded| recorded.event.clone()).collect();
    let deposited = AccountEvent::Deposited { amount: 100, currency: "VND".to_owned() };
    assert_eq!(events, [AccountEvent::Opened { owner: "Ann".to_owned() }, deposited]);
    assert_eq!(history[1].version.get(), 2);
    assert_eq!(history[1].event_type.as_str(), "account.deposited.v2");
}

#[tokio::test]
async fn events_of_an_older_version_are_read_in_todays_shape() {
    let store = InMemoryEventStore::new();
    let old = [raw("account.opened.v1", r#"{"owner":"Ann"}"#), raw("account.deposited.v1", r#"{"amount":5}"#)];
    store.append(Append::new(old.to_vec())).await.unwrap();
    let accounts = crate::repository::<Account>(store);
    let loaded = accounts.load(&account_id()).await.unwrap().unwrap();
    assert_eq!((loaded.state.balance(), loaded.state.currency()), (5, Some("VND")));
    let history = accounts.history(&account_id()).await.unwrap();
    assert_eq!(history[1].event, AccountEvent::Deposited { amount: 5, currency: "VND".to_owned() });
    assert_eq!(history[1].event_type.as_str(), "account.deposited.v1", "as it was recorded");
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_is_named() {
    for bad in [raw("account.vanished.v1", "{}"), raw("account.opened.v1", r#"{"owner":7}"#)] {
        let store = InMemoryEventStore::new();
        let accounts = crate::repository::<Account>(store.clone());
        accounts.execute(&account_id(), Open { owner: "Ann".to_owned() }).await.unwrap();
        store.append(Append::new(vec![bad.clone()])).await.unwrap();
        for error in
            [accounts.load(&account_id()).await.unwrap_err(), accounts.history(&account_id()).await.unwrap_err()]
        {
            assert!(
                matches!(&error, LoadError::Undecodable(event)
                    if event.id == bad.id && event.version.get() == 2 && event.event_type == bad.event_type),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_of_more_events_than_fit_into_a_page_is_read_to_its_end() {
    let store = InMemoryEventStore::new();
    let counters = crate::repository::<Counter>(store.clone());
    for _ in 0..5 {
        counters.execute(&id(), super::counter::AddOnes(500)).await.unwrap();
    }
    let loaded = counters.load(&id()).await.unwrap().unwrap();
    assert_eq!((loaded.state.total, loaded.version.get()), (2_500, 2_500));
    let history = counters.history(&id()).await.unwrap();
    assert!(history.iter().map(|event| event.version.get()).eq(1..=2_500), "each once, in order");
    let done = counters.execute(&id(), Add(1)).await.unwrap();
    assert_eq!(done.version, Version::new(2_501));
}
