//! Old payloads in today's shape.

use serde_json::Value;

use crate::codec::CodecError;

/// Turns the payload of one schema version into that of the next one that the event lists.
///
/// `#[event(version = 3, upcast_from(1 = v1_to_v2, 2 = v2_to_v3))]` chains them: a recorded version 1 goes through both.
pub type Upcast = fn(Value) -> Result<Value, UpcastError>;

/// Why an upcaster refuses a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UpcastError(pub String);

impl UpcastError {
    /// An error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Sends a recorded payload through a chain of upcasters and gives the payload of the newest version.
///
/// # Errors
/// [`CodecError::Decode`] when the payload is no JSON, [`CodecError::Upcast`] when an upcaster refuses it.
pub fn upcast(event_type: &str, payload: &[u8], chain: &[Upcast]) -> Result<Vec<u8>, CodecError> {
    let malformed = |error: serde_json::Error| CodecError::Decode {
        what: event_type.to_owned(),
        source: crate::Failure::new(error),
    };
    let mut value: Value = serde_json::from_slice(payload).map_err(malformed)?;
    for step in chain {
        value =
            step(value).map_err(|error| CodecError::Upcast { event_type: event_type.to_owned(), reason: error.0 })?;
    }
    serde_json::to_vec(&value).map_err(malformed)
}
