//! What is published to other systems.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::codec::{CodecError, Payload};
use crate::id::MessageId;
use crate::name::{MessageKey, Topic};

/// A message for other systems, as a broker carries it.
///
/// ```
/// use cqrs_core::{Message, MessageKey, Topic};
///
/// let message = Message::json(Topic::new("shop.order.confirmed")?, &serde_json::json!({ "order": 42 }))?
///     .with_key(MessageKey::new("order-42")?)
///     .header("schema-version", "1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Carried along, so that consumers recognise a message that comes twice.
    pub id: MessageId,
    /// Where it is published.
    pub topic: Topic,
    /// Messages of one key keep their order, whatever their topics are. A message without a key has none.
    pub key: Option<MessageKey>,
    /// Any bytes.
    pub payload: Bytes,
    /// What is said of the payload: its type and version, say.
    pub headers: BTreeMap<String, String>,
}

impl Message {
    /// A message with these bytes, without key and headers, under a new id.
    #[must_use]
    pub fn new(topic: Topic, payload: impl Into<Bytes>) -> Self {
        Self { id: MessageId::new(), topic, key: None, payload: payload.into(), headers: BTreeMap::new() }
    }

    /// A message with a value as JSON.
    ///
    /// # Errors
    /// [`CodecError::Encode`] when the value has no JSON form.
    pub fn json<T: serde::Serialize + ?Sized>(topic: Topic, value: &T) -> Result<Self, CodecError> {
        Ok(Self::new(topic, Payload::encode(value)?.into_bytes()))
    }

    /// The same message under this id.
    #[must_use]
    pub fn with_id(mut self, id: MessageId) -> Self {
        self.id = id;
        self
    }

    /// The same message with this key.
    #[must_use]
    pub fn with_key(mut self, key: MessageKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The same message with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}
