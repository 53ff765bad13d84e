//! Events as a store records them.

use std::collections::HashMap;
use std::io::BufRead;

use cqrs_core::{GlobalPosition, NewEvent, Payload, RecordedEvent, StreamName, Timestamp, Version, read_json_lines};

use super::fail::{chain, fail, ok};

/// When the first event is recorded: 2024-01-01T00:00:00Z. Each is recorded a second after the one before.
const FIRST_RECORDED: i64 = 1_704_067_200_000_000;

/// The events as a store would record them.
#[track_caller]
pub(super) fn recorded(events: impl IntoIterator<Item = NewEvent>) -> Vec<RecordedEvent> {
    let mut versions: HashMap<StreamName, Version> = HashMap::new();
    let record = |(index, event): (usize, NewEvent)| {
        let version = Version::after(versions.get(&event.stream).copied());
        versions.insert(event.stream.clone(), version);
        RecordedEvent {
            id: event.id,
            event_type: event.event_type,
            stream: event.stream,
            version,
            position: GlobalPosition::new(index as u64 + 1),
            recorded_at: Timestamp::from_micros(FIRST_RECORDED + index as i64 * 1_000_000),
            occurred_at: event.occurred_at,
            payload: event.payload,
            metadata: ok(Payload::encode(&event.metadata), "the metadata"),
        }
    };
    events.into_iter().enumerate().map(record).collect()
}

/// The events of these lines.
#[track_caller]
pub(super) fn read(lines: impl BufRead) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    for line in read_json_lines(lines) {
        let event = line.unwrap_or_else(|error| fail(&chain(&error)));
        if let Some(newest) = events.last().filter(|newest| newest.position >= event.position) {
            fail(&format!("the event at position {} stands after that at position {}", event.position, newest.position))
        }
        events.push(event);
    }
    events
}
