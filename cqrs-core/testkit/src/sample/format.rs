//! One event and one snapshot with everything in them, the same for ever: what the golden files of formats are made of.

use std::collections::BTreeMap;

use cqrs_core::{
    AppendId, CausationId, ClaimKey, Claims, CommandId, CorrelationId, EventId, EventType, GlobalPosition, Metadata,
    Payload, RecordedEvent, Snapshot, StreamName, Timestamp, TraceContext, Version,
};
use serde::de::DeserializeOwned;

/// An event with every field of the envelope.
///
/// # Panics
/// Never: its parts are valid.
#[must_use]
pub fn full_event() -> RecordedEvent {
    RecordedEvent {
        id: id::<EventId>(1),
        event_type: EventType::new("account.deposited.v2").expect("it is an event type"),
        stream: StreamName::new("account-ACC-001").expect("it is a stream"),
        version: Version::FIRST,
        position: GlobalPosition::new(7),
        recorded_at: time("2024-01-05T09:00:00.123456Z"),
        occurred_at: Some(time("2024-01-04T23:59:59.999999Z")),
        payload: Payload::from_bytes(r#"{"amount":1.50,"currency":"é","note":null}"#),
        metadata: Payload::encode(&full_metadata()).expect("metadata is JSON"),
    }
}

/// Metadata with every field.
///
/// # Panics
/// Never: its parts are valid.
#[must_use]
pub fn full_metadata() -> Metadata {
    let key = |value: &str| ClaimKey::new("email", value).expect("it is a key");
    let mut claims = Claims::default();
    claims.taken.push(key("ann@example.org"));
    claims.released.push(key("ann@example.com"));
    let mut metadata = Metadata::default();
    metadata.append_id = Some(id::<AppendId>(2));
    metadata.command_id = Some(id::<CommandId>(3));
    metadata.correlation_id = Some(id::<CorrelationId>(4));
    metadata.causation_id = Some(id::<CausationId>(5));
    metadata.source = Some("bank/teller".to_owned());
    metadata.actor = Some("teller-7".to_owned());
    metadata.reason = Some("salary".to_owned());
    metadata.tenant = Some("north".to_owned());
    metadata.trace = Some(TraceContext {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        tracestate: Some("vendor=1".to_owned()),
    });
    metadata.tags = vec!["month:2024-01".to_owned()];
    metadata.data_subjects = vec!["customer-1".to_owned()];
    metadata.key_id = Some("key-1".to_owned());
    metadata.claims = claims;
    metadata.headers = BTreeMap::from([("branch".to_owned(), "12".to_owned())]);
    metadata
}

/// A snapshot that stands on [`full_event`].
///
/// # Panics
/// Never: its parts are valid.
#[must_use]
pub fn full_snapshot() -> Snapshot {
    let RecordedEvent { stream, version, position, id, recorded_at, .. } = full_event();
    Snapshot {
        stream,
        version,
        position,
        event_id: id,
        recorded_at,
        happened_until: time("2024-01-06T00:00:00Z"),
        state_version: 4_000_000_000,
        fingerprint: u64::MAX,
        state: Payload::from_bytes(r#"{"balance":150,"status":"Active"}"#),
    }
}

fn id<I: DeserializeOwned>(number: u64) -> I {
    let text = format!("\"018d0000-0000-7000-8000-{number:012}\"");
    serde_json::from_str(&text).expect("it is an id")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("it is a time")
}
