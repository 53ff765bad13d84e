//! The recorded history of a store, read as today's events.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is what it is for")]

use std::sync::Arc;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Append, DomainEvent, EventStore, EventType, NewEvent, Payload, StreamName, UpcastError};
use cqrs_schema::{EventSchema, Schemas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(domain = "user")]
enum UserEvent {
    #[event(version = 2, upcast_from(1 = without_email))]
    Created { name: String, email: Option<String> },
}

fn without_email(mut event: Value) -> Result<Value, UpcastError> {
    event["email"] = json!(null);
    Ok(event)
}

fn schemas() -> Schemas {
    let sample = UserEvent::Created { name: "Ann".to_owned(), email: Some("ann@example.com".to_owned()) };
    Schemas::new().with(EventSchema::of().sample(sample))
}

async fn store(events: impl IntoIterator<Item = (&'static str, &'static str)>) -> Arc<dyn EventStore> {
    let store = InMemoryEventStore::new();
    let stream = StreamName::new("user-1").unwrap();
    let raw = |(event_type, payload): (&str, &str)| {
        NewEvent::raw(stream.clone(), EventType::new(event_type).unwrap(), Payload::from_bytes(payload.to_owned()))
    };
    let events: Vec<_> = events.into_iter().map(raw).collect();
    for events in events.chunks(1_000) {
        store.append(Append::new(events.to_vec())).await.unwrap();
    }
    Arc::new(store)
}

const OLD: (&str, &str) = ("user.created.v1", r#"{"name":"Ann"}"#);
const NEW: (&str, &str) = ("user.created.v2", r#"{"name":"Ann","email":"ann@example.com"}"#);

#[tokio::test]
async fn every_event_is_decoded_and_counted() {
    let report = schemas().read_history(store([]).await).await.unwrap();
    assert_eq!((report.events, report.undecodable), (0, 0));
    let report = schemas().read_history(store([OLD, NEW].into_iter().cycle().take(3_001)).await).await.unwrap();
    assert_eq!((report.events, report.undecodable), (3_001, 0));
    assert_eq!(
        report.by_type.into_iter().collect::<Vec<_>>(),
        [("user.created.v1".to_owned(), 1_501), ("user.created.v2".to_owned(), 1_500)]
    );
}

#[tokio::test]
async fn what_cannot_be_decoded_is_counted_and_the_first_of_each_type_named() {
    let broken = store([OLD, ("user.created.v2", "{}"), ("user.left.v1", "{}"), NEW, ("user.created.v2", "[]")]).await;
    let report = schemas().read_history(broken).await.unwrap();
    assert_eq!((report.events, report.undecodable), (5, 3));
    let first: Vec<_> =
        report.first_undecodable.iter().map(|(name, error)| (name.as_str(), error.version.get())).collect();
    assert_eq!(first, [("user.created.v2", 2), ("user.left.v1", 3)]);
}
