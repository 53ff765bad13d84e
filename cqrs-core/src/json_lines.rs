//! Events as JSON lines: one object per line, every field, byte for byte.

use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codec::Payload;
use crate::id::EventId;
use crate::name::{EventType, StreamName};
use crate::recorded_event::RecordedEvent;
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;

/// A line as it is written. A document stands in it as JSON; one that would not come back byte for byte that way, because of
/// line breaks or space around it, stands in it as text.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    position: GlobalPosition,
    id: EventId,
    #[serde(rename = "type")]
    event_type: EventType,
    stream: StreamName,
    version: Version,
    recorded_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occurred_at: Option<Timestamp>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata_text: Option<String>,
}

/// Why JSON lines could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonLinesError {
    /// Reading or writing failed.
    #[error("the lines could not be read or written")]
    Io(#[from] std::io::Error),
    /// A line is no event.
    #[error("line {line} is no event: {reason}")]
    Malformed {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes events, a line each. That a stream is archived or truncated is no event, and stands in no line: after an import all of
/// it is read again until that is [said](crate::StreamFactsStore) anew.
///
/// They stand there as they were recorded, in the type and version of their time. For systems that know no upcasters, write
/// what [`RecordedEvent::upcast`] makes of them; that is no history which could be imported again.
///
/// # Errors
/// [`JsonLinesError::Io`] when writing fails, [`JsonLinesError::Malformed`] for an event whose payload or metadata is not JSON
/// (which no store keeps), with its number among the events.
pub fn write_json_lines(events: &[RecordedEvent], mut to: impl Write) -> Result<(), JsonLinesError> {
    for (index, event) in events.iter().enumerate() {
        let malformed =
            |error: serde_json::Error| JsonLinesError::Malformed { line: index + 1, reason: error.to_string() };
        let (payload, payload_text) = document(&event.payload).map_err(malformed)?;
        let (metadata, metadata_text) = document(&event.metadata).map_err(malformed)?;
        let line = Line {
            position: event.position,
            id: event.id,
            event_type: event.event_type.clone(),
            stream: event.stream.clone(),
            version: event.version,
            recorded_at: event.recorded_at,
            occurred_at: event.occurred_at,
            payload,
            payload_text,
            metadata,
            metadata_text,
        };
        serde_json::to_writer(&mut to, &line).map_err(|error| JsonLinesError::Io(error.into()))?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads events, a line each; empty lines are passed over. Memory is bounded by the longest line.
pub fn read_json_lines(from: impl BufRead) -> impl Iterator<Item = Result<RecordedEvent, JsonLinesError>> {
    from.lines().enumerate().filter_map(|(index, line)| match line {
        Err(error) => Some(Err(error.into())),
        Ok(line) if line.trim().is_empty() => None,
        Ok(line) => Some(parse(&line).map_err(|reason| JsonLinesError::Malformed { line: index + 1, reason })),
    })
}

/// As JSON where that keeps every byte, else as text.
fn document(payload: &Payload) -> Result<(Option<&RawValue>, Option<String>), serde_json::Error> {
    let text = payload.as_str();
    let raw: &RawValue = serde_json::from_str(text)?;
    // An absent field and null read the same.
    if raw.get() == text && text != "null" && !text.contains(['\n', '\r']) {
        Ok((Some(raw), None))
    } else {
        Ok((None, Some(text.to_owned())))
    }
}

fn parse(line: &str) -> Result<RecordedEvent, String> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let bytes = |raw: Option<&RawValue>, text: Option<String>, name: &str| match (raw, text) {
        (Some(raw), None) => Ok(Payload::from_bytes(raw.get().to_owned())),
        (None, Some(text)) => Ok(Payload::from_bytes(text)),
        _ => Err(format!("it has either {name} or {name}_text")),
    };
    Ok(RecordedEvent {
        id: line.id,
        event_type: line.event_type,
        stream: line.stream,
        version: line.version,
        position: line.position,
        recorded_at: line.recorded_at,
        occurred_at: line.occurred_at,
        payload: bytes(line.payload, line.payload_text, "payload")?,
        metadata: bytes(line.metadata, line.metadata_text, "metadata")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(payload: &str, metadata: &str) -> RecordedEvent {
        RecordedEvent {
            id: EventId::new(),
            event_type: EventType::new("account.opened.v1").unwrap(),
            stream: StreamName::new("account-\"quoted\" é").unwrap(),
            version: Version::FIRST,
            position: GlobalPosition::new(7),
            recorded_at: "2024-01-01T00:00:00.000001Z".parse().unwrap(),
            occurred_at: Some("1969-12-31T23:59:59.999999Z".parse().unwrap()),
            payload: Payload::from_bytes(payload.to_owned()),
            metadata: Payload::from_bytes(metadata.to_owned()),
        }
    }

    fn round_trip(events: &[RecordedEvent]) -> Vec<RecordedEvent> {
        let mut lines = Vec::new();
        write_json_lines(events, &mut lines).unwrap();
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), events.len(), "a line each");
        read_json_lines(&lines[..]).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn every_byte_comes_back() {
        let awkward =
            [r#"{"a":1}"#, " {\n\t\"a\" : 1.50 ,\r\n \"a\":2e400 } ", "\"\\u00e9\u{e9}\\n\"", "[]", "-0", "null"];
        let events: Vec<_> = awkward.iter().map(|text| event(text, awkward[1])).collect();
        assert_eq!(round_trip(&events), events);
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let mut lines = Vec::new();
        write_json_lines(&[event("{}", "{}")], &mut lines).unwrap();
        lines.extend_from_slice(b"\n{\"position\":1}\n");
        let read: Vec<_> = read_json_lines(&lines[..]).collect();
        assert!(read[0].is_ok());
        assert!(matches!(read[1], Err(JsonLinesError::Malformed { line: 3, .. })), "{read:?}");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC*", spaces in "[ \\n\\r\\t]{0,3}") {
            let json = format!("{spaces}{}{spaces}", serde_json::to_string(&text).unwrap());
            let events = [event(&json, "{}")];
            prop_assert_eq!(round_trip(&events), events);
        }
    }
}
