//! History of former programs, read by today's: the same events everywhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

#[path = "evolving/exporting.rs"]
mod exporting;
#[path = "evolving/loading.rs"]
mod loading;
#[path = "evolving/subscribing.rs"]
mod subscribing;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    EventId, EventType, GlobalPosition, ImportEvents, Payload, RecordedEvent, StreamName, Timestamp, Version,
};
use cqrs_testkit::sample::{AccountEvent, FORMER_ACCOUNT};

/// The `number`th event of a log in which all belong to one account, recorded at a minute for each.
fn recorded(number: u64, event_type: &str, payload: &str) -> RecordedEvent {
    RecordedEvent {
        id: EventId::new(),
        event_type: EventType::new(event_type).unwrap(),
        stream: StreamName::new("account-ACC-001").unwrap(),
        version: Version::new(number).unwrap(),
        position: GlobalPosition::new(number * 10),
        recorded_at: minute(number),
        occurred_at: None,
        payload: Payload::from_bytes(payload.to_owned()),
        metadata: Payload::from_bytes(r#"{"actor":"a former program"}"#),
    }
}

fn minute(number: u64) -> Timestamp {
    Timestamp::from_micros(number.cast_signed() * 60_000_000)
}

fn former_account() -> Vec<RecordedEvent> {
    (1..).zip(FORMER_ACCOUNT).map(|(number, (event_type, payload))| recorded(number, event_type, payload)).collect()
}

/// What stands for [`FORMER_ACCOUNT`] today, each with the version of the event that it was recorded as.
fn today() -> Vec<(AccountEvent, u64)> {
    let deposited = |amount| AccountEvent::Deposited { amount, currency: "VND".to_owned() };
    vec![
        (AccountEvent::Opened { owner: "Ann".to_owned() }, 1),
        (deposited(100), 2),
        (AccountEvent::Withdrawn { amount: 100 }, 4),
        (deposited(80), 4),
        (deposited(20), 5),
    ]
}

async fn store_of(events: Vec<RecordedEvent>) -> InMemoryEventStore {
    let store = InMemoryEventStore::new();
    store.import(events).await.unwrap();
    store
}
