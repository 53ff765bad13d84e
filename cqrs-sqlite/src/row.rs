//! Rows of the event table as recorded events, alone and packed: a page of them travels as one text.

use std::collections::HashMap;
use std::error::Error;
use std::str::FromStr;

use cqrs_core::{EventId, EventType, Existing, GlobalPosition, Payload, RecordedEvent, StreamName, Timestamp, Version};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

/// Decodes the events of one page, each name checked and allocated once.
#[derive(Debug, Default)]
pub(crate) struct Events {
    event_types: HashMap<Box<str>, EventType>,
    stream: Option<StreamName>,
}

impl Events {
    /// Events packed into one text: position, version, recorded_at, occurred_at or nothing, event_id in hexadecimal,
    /// event_type, the bytes of metadata and payload, each followed by a space; the stream, followed by a line feed; the
    /// metadata; the payload.
    pub fn unpack(&mut self, packed: &[u8], into: &mut Vec<RecordedEvent>) -> Result<(), sqlx::Error> {
        let mut rest = Packed(packed);
        while !rest.0.is_empty() {
            let position = GlobalPosition::new(rest.number()?);
            let version = rest.number()?;
            let recorded_at = Timestamp::from_micros(rest.number()?);
            let occurred_at = match rest.text(b' ')? {
                "" => None,
                micros => Some(Timestamp::from_micros(micros.parse().map_err(corrupt)?)),
            };
            let id = EventId::from_uuid(Uuid::try_parse(rest.text(b' ')?).map_err(corrupt)?);
            let event_type = self.event_type(rest.text(b' ')?)?;
            let (metadata, payload) = (rest.number()?, rest.number()?);
            let stream = self.stream(rest.text(b'\n')?)?;
            into.push(RecordedEvent {
                id,
                event_type,
                stream,
                version: to_version(version)?,
                position,
                recorded_at,
                occurred_at,
                metadata: Payload::from_bytes(rest.bytes(metadata)?.to_vec()),
                payload: Payload::from_bytes(rest.bytes(payload)?.to_vec()),
            });
        }
        Ok(())
    }

    fn stream(&mut self, name: &str) -> Result<StreamName, sqlx::Error> {
        match &self.stream {
            Some(stream) if stream.as_str() == name => Ok(stream.clone()),
            _ => {
                let stream = StreamName::new(name).map_err(corrupt)?;
                self.stream = Some(stream.clone());
                Ok(stream)
            }
        }
    }

    fn event_type(&mut self, name: &str) -> Result<EventType, sqlx::Error> {
        if let Some(event_type) = self.event_types.get(name) {
            return Ok(event_type.clone());
        }
        let event_type = EventType::new(name).map_err(corrupt)?;
        self.event_types.insert(name.into(), event_type.clone());
        Ok(event_type)
    }
}

/// What is still to be read.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    /// What stands before the next separator, which is passed over.
    fn text(&mut self, separator: u8) -> Result<&'a str, sqlx::Error> {
        let end = self.0.iter().position(|&byte| byte == separator).ok_or_else(torn)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        std::str::from_utf8(text).map_err(corrupt)
    }

    fn number<N: FromStr<Err: Error + Send + Sync + 'static>>(&mut self) -> Result<N, sqlx::Error> {
        self.text(b' ')?.parse().map_err(|error: N::Err| corrupt(error))
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], sqlx::Error> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(torn)?;
        self.0 = rest;
        Ok(bytes)
    }
}

fn torn() -> sqlx::Error {
    corrupt("a page of events is torn")
}

/// The columns event_id, stream, version, position, recorded_at, event_type, payload.
pub(crate) fn existing(row: &SqliteRow) -> Result<(EventId, Existing), sqlx::Error> {
    let existing = Existing {
        stream: stream(row, 1)?,
        version: version(row, 2)?,
        position: position(row, 3)?,
        recorded_at: timestamp(row, 4)?,
        event_type: EventType::new(row.try_get_unchecked::<&str, _>(5)?).map_err(corrupt)?,
        payload: payload(row, 6)?,
    };
    Ok((EventId::from_uuid(row.try_get_unchecked::<Uuid, _>(0)?), existing))
}

pub(crate) fn is_null(row: &SqliteRow, column: usize) -> Result<bool, sqlx::Error> {
    Ok(sqlx::ValueRef::is_null(&row.try_get_raw(column)?))
}

pub(crate) fn stream(row: &SqliteRow, column: usize) -> Result<StreamName, sqlx::Error> {
    StreamName::new(row.try_get_unchecked::<&str, _>(column)?).map_err(corrupt)
}

pub(crate) fn position(row: &SqliteRow, column: usize) -> Result<GlobalPosition, sqlx::Error> {
    let number: i64 = row.try_get_unchecked(column)?;
    u64::try_from(number).map(GlobalPosition::new).map_err(corrupt)
}

pub(crate) fn version(row: &SqliteRow, column: usize) -> Result<Version, sqlx::Error> {
    row.try_get_unchecked::<i64, _>(column).and_then(|number| to_version(number.cast_unsigned()))
}

fn to_version(number: u64) -> Result<Version, sqlx::Error> {
    Version::new(number).ok_or_else(|| corrupt(format!("version {number}")))
}

/// Microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn timestamp(row: &SqliteRow, column: usize) -> Result<Timestamp, sqlx::Error> {
    row.try_get_unchecked::<i64, _>(column).map(Timestamp::from_micros)
}

/// A text as it was written.
pub(crate) fn payload(row: &SqliteRow, column: usize) -> Result<Payload, sqlx::Error> {
    row.try_get_unchecked::<&[u8], _>(column).map(|bytes| Payload::from_bytes(bytes.to_vec()))
}

pub(crate) fn corrupt(what: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
