//! Events as bytes: JSON payloads that stay raw until somebody asks for them.

use std::fmt;

use bytes::Bytes;

mod variant;

#[doc(hidden)]
pub use variant::{decode_variant, encode_variant};

use crate::claim::InvalidClaim;
use crate::failure::Failure;

/// A JSON document in UTF-8, kept byte for byte.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Payload(Bytes);

impl Payload {
    /// Takes bytes as they are. Stores check them with [`Limits`](crate::Limits) before they are written.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// Serializes a value.
    ///
    /// # Errors
    /// [`CodecError::Encode`] when the value has no JSON form (a map with keys that are not strings, say).
    pub fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, CodecError> {
        serde_json::to_vec(value).map(Self::from_bytes).map_err(|error| CodecError::Encode(Failure::new(error)))
    }

    /// Deserializes the value that these bytes hold.
    ///
    /// # Errors
    /// [`CodecError::Decode`] when they hold something else.
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, CodecError> {
        serde_json::from_slice(&self.0).map_err(|error| CodecError::Decode {
            what: std::any::type_name::<T>().to_owned(),
            source: Failure::new(error),
        })
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, taken out.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The bytes as text; empty when they are not UTF-8, which no store accepts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all (which is not valid JSON).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Why bytes are no event, or an event has no bytes.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The reader does not know this event type. The reader decides what that means for it.
    #[error(
        "unknown event type {0:?}: no event of this reader is recorded, nor was ever renamed, retired or dropped, under it"
    )]
    UnknownType(String),
    /// The payload does not fit its type.
    #[error("cannot decode {what}")]
    Decode {
        /// The event type or Rust type that was expected.
        what: String,
        /// What the decoder said.
        source: Failure,
    },
    /// The value has no JSON form.
    #[error("cannot encode as JSON")]
    Encode(#[source] Failure),
    /// A field that claims a unique key, or releases one, holds a value that cannot be one.
    #[error("cannot claim a key")]
    Claim(#[from] InvalidClaim),
    /// An upcaster refused an older payload.
    #[error("cannot upcast {event_type}: {reason}")]
    Upcast {
        /// The event type as recorded.
        event_type: String,
        /// What the upcaster said.
        reason: String,
    },
}
