//! What an event may be at most.

use super::append::NewEvent;
use super::error::InvalidAppend;
use super::query::{TAGS, refuse_tag};
use crate::claim::ClaimKey;
use crate::codec::Payload;
use crate::id::EventId;
use crate::metadata::Metadata;
use crate::recorded_event::RecordedEvent;

/// Limits that are checked before an append is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of payload and metadata of one event, at most; 1 MiB unless told.
    pub event_bytes: usize,
    /// Events in one append, at most; 1,000 unless told.
    pub events_per_append: usize,
    /// How deep arrays and objects may be nested; 64 unless told, at most 127 (where decoders give up).
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 1 << 20, events_per_append: 1_000, depth: 64 }
    }
}

impl Limits {
    /// Other limits on the bytes of an event.
    #[must_use]
    pub const fn event_bytes(mut self, bytes: usize) -> Self {
        self.event_bytes = bytes;
        self
    }

    pub(super) fn check(&self, event: &NewEvent) -> Result<(), InvalidAppend> {
        self.check_document(event.id, &event.payload, metadata_bytes(event))?;
        if has_nul(event) {
            return Err(InvalidAppend::Metadata { id: event.id, reason: "it holds a NUL character" });
        }
        check_tags(&event.metadata.tags).map_err(|reason| InvalidAppend::Metadata { id: event.id, reason })
    }

    /// Checks an event that was recorded elsewhere, and gives its metadata.
    pub(crate) fn check_recorded(&self, event: &RecordedEvent) -> Result<Metadata, InvalidAppend> {
        self.check_document(event.id, &event.payload, event.metadata.len())?;
        self.check_document(event.id, &event.metadata, 0)?;
        event.metadata().map_err(|_| InvalidAppend::Metadata { id: event.id, reason: "it is no metadata" })
    }

    /// `others` bytes are written beside the document.
    fn check_document(&self, id: EventId, document: &Payload, others: usize) -> Result<(), InvalidAppend> {
        let refuse = |reason| InvalidAppend::Payload { id, reason };
        let bytes = document.len() + others;
        if bytes > self.event_bytes {
            return Err(InvalidAppend::TooLarge { id, bytes, limit: self.event_bytes });
        }
        if std::str::from_utf8(document.as_bytes()).is_err() {
            return Err(refuse("it is not UTF-8"));
        }
        if serde_json::from_slice::<serde::de::IgnoredAny>(document.as_bytes()).is_err() {
            return Err(refuse("it is not JSON"));
        }
        scan(document.as_bytes(), self.depth.min(127)).map_err(refuse)
    }
}

/// What was recorded elsewhere may have other tags: no query can ask for them.
fn check_tags(tags: &[String]) -> Result<(), &'static str> {
    match tags.iter().find_map(|tag| refuse_tag(tag)) {
        Some(_) => Err("a tag is empty or has more than 255 bytes"),
        None if tags.len() > TAGS => Err("it has more than 100 tags"),
        None => Ok(()),
    }
}

/// An estimate that never falls short of the text fields.
fn metadata_bytes(event: &NewEvent) -> usize {
    texts(event).map(str::len).sum()
}

fn has_nul(event: &NewEvent) -> bool {
    texts(event).any(|text| text.contains('\0'))
}

fn texts(event: &NewEvent) -> impl Iterator<Item = &str> {
    let metadata = &event.metadata;
    let single = [&metadata.source, &metadata.actor, &metadata.reason, &metadata.tenant, &metadata.key_id];
    let trace = metadata.trace.as_ref();
    single
        .into_iter()
        .flatten()
        .chain(trace.map(|trace| &trace.traceparent))
        .chain(trace.and_then(|trace| trace.tracestate.as_ref()))
        .chain(&metadata.tags)
        .chain(&metadata.data_subjects)
        .chain(metadata.headers.keys())
        .chain(metadata.headers.values())
        .map(String::as_str)
        .chain(event.claims.keys().map(ClaimKey::as_str))
}

/// Finds deep nesting and escaped NUL characters in bytes that are known to be JSON.
fn scan(json: &[u8], limit: usize) -> Result<(), &'static str> {
    let (mut depth, mut in_string, mut at) = (0usize, false, 0);
    while let Some(&byte) = json.get(at) {
        match (in_string, byte) {
            (true, b'\\') => {
                if json[at + 1..].starts_with(b"u0000") {
                    return Err("it holds a NUL character");
                }
                at += 1;
            }
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > limit {
                    return Err("it is nested too deeply");
                }
            }
            (false, b'}' | b']') => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{EventType, StreamName};

    fn check(payload: &[u8]) -> Result<(), InvalidAppend> {
        let event = NewEvent::raw(
            StreamName::new("account-1").unwrap(),
            EventType::new("account.opened.v1").unwrap(),
            Payload::from_bytes(payload.to_vec()),
        );
        Limits::default().event_bytes(1_000).check(&event)
    }

    #[test]
    fn what_a_store_cannot_keep_is_refused() {
        assert!(check(br#"{"owner":"Ann \u00e9 \\u0000"}"#).is_ok());
        assert!(check(br#"{"owner":"\u0000"}"#).is_err(), "NUL");
        assert!(check(b"{\"owner\":\"\xff\"}").is_err(), "not UTF-8");
        assert!(check(b"{\"owner\":").is_err(), "not JSON");
        assert!(check(b"").is_err(), "nothing");
        assert!(check(&[b"[".repeat(65), b"]".repeat(65)].concat()).is_err(), "deep");
        assert!(check(&[b"[".repeat(64), b"]".repeat(64)].concat()).is_ok());
        assert!(check(&[b"\"".to_vec(), b"x".repeat(1_000), b"\"".to_vec()].concat()).is_err(), "large");
        assert!(check(br#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[""#).is_ok());
    }

    #[test]
    fn a_nul_in_the_metadata_is_refused() {
        let mut event = NewEvent::raw(
            StreamName::new("account-1").unwrap(),
            EventType::new("account.opened.v1").unwrap(),
            Payload::from_bytes(&b"{}"[..]),
        );
        event.metadata.headers.insert("key".into(), "va\0lue".into());
        assert!(Limits::default().check(&event).is_err());
    }
}
