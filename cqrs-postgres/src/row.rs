//! Rows of the event table as recorded events.

use std::collections::HashMap;

use cqrs_core::{EventId, EventType, Existing, GlobalPosition, Payload, RecordedEvent, StreamName, Version};
use sqlx::postgres::PgRow;
use sqlx::{Row, ValueRef};
use uuid::Uuid;

use crate::value::PgTimestamp;

/// Decodes the rows of one page, each name checked and allocated once.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    event_types: HashMap<Box<str>, EventType>,
    stream: Option<StreamName>,
}

impl Rows {
    /// The columns position, event_id, stream, version, event_type, recorded_at, occurred_at, payload, metadata.
    pub fn event(&mut self, row: &PgRow) -> Result<RecordedEvent, sqlx::Error> {
        Ok(RecordedEvent {
            position: position(row, 0)?,
            id: EventId::from_uuid(row.try_get_unchecked::<Uuid, _>(1)?),
            stream: self.stream(row.try_get_unchecked(2)?)?,
            version: version(row, 3)?,
            event_type: self.event_type(row.try_get_unchecked(4)?)?,
            recorded_at: row.try_get_unchecked::<PgTimestamp, _>(5)?.0,
            occurred_at: row.try_get_unchecked::<Option<PgTimestamp>, _>(6)?.map(|time| time.0),
            payload: payload(row, 7)?,
            metadata: payload(row, 8)?,
        })
    }

    pub fn stream(&mut self, name: &str) -> Result<StreamName, sqlx::Error> {
        match &self.stream {
            Some(stream) if stream.as_str() == name => Ok(stream.clone()),
            _ => {
                let stream = StreamName::new(name).map_err(corrupt)?;
                self.stream = Some(stream.clone());
                Ok(stream)
            }
        }
    }

    pub fn event_type(&mut self, name: &str) -> Result<EventType, sqlx::Error> {
        if let Some(event_type) = self.event_types.get(name) {
            return Ok(event_type.clone());
        }
        let event_type = EventType::new(name).map_err(corrupt)?;
        self.event_types.insert(name.into(), event_type.clone());
        Ok(event_type)
    }
}

/// The columns event_id, stream, version, position, recorded_at, event_type, payload.
pub(crate) fn existing(row: &PgRow) -> Result<(EventId, Existing), sqlx::Error> {
    let existing = Existing {
        stream: StreamName::new(row.try_get_unchecked::<&str, _>(1)?).map_err(corrupt)?,
        version: version(row, 2)?,
        position: position(row, 3)?,
        recorded_at: row.try_get_unchecked::<PgTimestamp, _>(4)?.0,
        event_type: EventType::new(row.try_get_unchecked::<&str, _>(5)?).map_err(corrupt)?,
        payload: payload(row, 6)?,
    };
    Ok((EventId::from_uuid(row.try_get_unchecked::<Uuid, _>(0)?), existing))
}

pub(crate) fn position(row: &PgRow, column: usize) -> Result<GlobalPosition, sqlx::Error> {
    let number: i64 = row.try_get_unchecked(column)?;
    u64::try_from(number).map(GlobalPosition::new).map_err(corrupt)
}

pub(crate) fn version(row: &PgRow, column: usize) -> Result<Version, sqlx::Error> {
    let number: i64 = row.try_get_unchecked(column)?;
    to_version(number).ok_or_else(|| corrupt(format!("version {number}")))
}

/// `None` for 0, which stands for no event.
pub(crate) fn to_version(number: i64) -> Option<Version> {
    u64::try_from(number).ok().and_then(Version::new)
}

/// A `json` value as it was written: its binary form is its text.
pub(crate) fn payload(row: &PgRow, column: usize) -> Result<Payload, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Err(corrupt(format!("column {column} is null")));
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    Ok(Payload::from_bytes(bytes.to_vec()))
}

pub(crate) fn corrupt(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
