//! The content of one enum variant as JSON. The variant's name is left out: the event type beside the payload says it.

mod decode;
mod encode;

use serde::Serialize;
use serde::de::DeserializeOwned;

use decode::Tagged;
use encode::Outer;

use super::{CodecError, Payload};
use crate::failure::Failure;

/// Serializes what an enum's variant holds: named fields as an object, a newtype as its inner value, a unit as `{}`.
///
/// # Errors
/// [`CodecError::Encode`] when `event` is no externally tagged enum, or a field has no JSON form.
pub fn encode_variant<T: Json>(event: &T) -> Result<Payload, CodecError> {
    let mut json = Vec::with_capacity(128);
    match event.serialize(Outer(&mut serde_json::Serializer::new(&mut json))) {
        Ok(()) => Ok(Payload::from_bytes(json)),
        Err(error) => Err(CodecError::Encode(Failure::new(error))),
    }
}

/// The opposite of [`encode_variant`]: `index` is the variant's place in the enum, from 0. A unit variant takes any JSON
/// value, so that an event may lose its fields.
///
/// # Errors
/// [`CodecError::Decode`] when the payload is no JSON, or does not fit the variant.
pub fn decode_variant<T: Json>(event_type: &str, index: u32, payload: &[u8]) -> Result<T, CodecError> {
    let mut json = serde_json::Deserializer::from_slice(payload);
    T::deserialize(Tagged { index, content: &mut json })
        .and_then(|event| json.end().map(|()| event))
        .map_err(|error| misfit(event_type, error))
}

/// What serde writes and reads. It stands in front of serde's traits for the sake of its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as JSON and read back",
    label = "`Serialize` or `Deserialize` is missing",
    note = "add `#[derive(Serialize, Deserialize)]` to `{Self}`"
)]
pub trait Json: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Json for T {}

impl Payload {
    /// Encodes an event that is a struct of its own, for derived code.
    ///
    /// # Errors
    /// [`CodecError::Encode`] when a field has no JSON form.
    #[doc(hidden)]
    pub fn encode_event<T: Json>(event: &T) -> Result<Self, CodecError> {
        Self::encode(event)
    }

    /// Decodes an event that is a struct of its own, for derived code: [`decode`](Self::decode) without a copy, and with
    /// the event type in the error.
    ///
    /// # Errors
    /// [`CodecError::Decode`] when the bytes are no JSON, or do not fit the struct.
    #[doc(hidden)]
    pub fn decode_event<T: Json>(event_type: &str, payload: &[u8]) -> Result<T, CodecError> {
        serde_json::from_slice(payload).map_err(|error| misfit(event_type, error))
    }
}

#[cold]
fn misfit(event_type: &str, error: serde_json::Error) -> CodecError {
    CodecError::Decode { what: event_type.to_owned(), source: Failure::new(error) }
}

#[cfg(test)]
mod tests;
