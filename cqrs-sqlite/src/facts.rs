//! What the log says of streams and event ids under the write lock.

use cqrs_core::{EventId, Existing, GlobalPosition, StreamName, Timestamp, Version};
use sqlx::sqlite::SqliteRow;

use crate::row::{existing, is_null, position, stream, timestamp, version};

/// What [`BEGIN`](crate::statements::BEGIN) gives.
pub(crate) struct Facts {
    pub last: Last,
    /// The newest versions of those streams that have events.
    pub heads: Vec<(StreamName, Version)>,
    /// Those of the streams that are archived.
    pub archived: Vec<StreamName>,
    /// The events whose ids are in the log.
    pub existing: Vec<(EventId, Existing)>,
}

/// The newest event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub position: GlobalPosition,
    pub recorded_at: Timestamp,
}

impl Facts {
    pub fn read(rows: &[SqliteRow]) -> Result<Self, sqlx::Error> {
        let mut last = Last { position: GlobalPosition::START, recorded_at: Timestamp::MIN };
        let (mut heads, mut archived, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            if !is_null(row, 0)? {
                found.push(existing(row)?);
            } else if is_null(row, 1)? {
                last = Last { position: position(row, 3)?, recorded_at: timestamp(row, 4)? };
            } else if !is_null(row, 2)? {
                heads.push((stream(row, 1)?, version(row, 2)?));
                if !is_null(row, 3)? {
                    archived.push(stream(row, 1)?);
                }
            }
        }
        Ok(Self { last, heads, archived, existing: found })
    }
}

/// Names of streams as the parameter of a statement.
pub(crate) fn json(names: &[&StreamName]) -> Result<String, sqlx::Error> {
    serde_json::to_string(names).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Ids as the parameter of a statement.
pub(crate) fn json_ids(ids: impl ExactSizeIterator<Item = EventId>) -> String {
    let mut json = String::with_capacity(ids.len() * 35 + 2);
    json.push('[');
    for (index, id) in ids.enumerate() {
        json.push_str(if index == 0 { "\"" } else { ",\"" });
        json.push_str(id.as_uuid().simple().encode_lower(&mut uuid::Uuid::encode_buffer()));
        json.push('"');
    }
    json.push(']');
    json
}
