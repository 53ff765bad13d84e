//! Messages on their way into the caller's transaction.

use std::collections::HashSet;

use cqrs_core::{Failure, Message, MessageId, Payload, StoreError, StoreId};
use sqlx::{Postgres, Row, Transaction};
use uuid::Uuid;

use crate::error::{Meaning, explain, meaning};
use crate::event_store::PgEventStore;
use crate::transaction::UnfitTransaction;

/// Messages in one call at most: each key takes a lock of the server until the transaction ends.
const MESSAGES: usize = 1_000;

/// What enqueueing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enqueued {
    /// Messages that were written.
    pub written: usize,
    /// Messages that had been enqueued before.
    pub repeated: usize,
}

/// Why messages were not enqueued: none of the call was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The id belongs to another message.
    #[error("message id {id} is in use")]
    MessageIdReused {
        /// The id.
        id: MessageId,
    },
    /// Two messages of the call have the same id.
    #[error("message id {id} stands twice in the call")]
    RepeatedMessageId {
        /// The id.
        id: MessageId,
    },
    /// There are too many messages in the call.
    #[error("{count} messages in one call, {limit} at most")]
    TooManyMessages {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A message is too large.
    #[error("message {id} has {bytes} bytes, {limit} at most")]
    TooLarge {
        /// The message.
        id: MessageId,
        /// Its bytes of payload and headers.
        bytes: usize,
        /// How many it may have: as many as an [event](crate::PgOptions::limits).
        limit: usize,
    },
    /// It did not happen and may later, such as after a deadlock: roll the transaction back and run it again.
    #[error("the outbox is unavailable")]
    Transient(#[source] Failure),
    /// It cannot succeed as it is. It holds an [`UnfitTransaction`] where the transaction is to blame.
    #[error("the outbox refused")]
    Permanent(#[source] Failure),
}

pub(super) async fn enqueue(
    store: &PgEventStore,
    transaction: &mut Transaction<'_, Postgres>,
    messages: &[Message],
) -> Result<Enqueued, EnqueueError> {
    let headers = check(messages, store.limits().event_bytes)?;
    let expected = store.id().await.map_err(unidentified)?;
    let sql = store.sql();
    let query = sql
        .query(&sql.enqueue)
        .bind(expected.as_uuid())
        .bind(messages.iter().map(|message| message.id.as_uuid()).collect::<Vec<Uuid>>())
        .bind(messages.iter().map(|message| message.topic.as_str()).collect::<Vec<&str>>())
        .bind(messages.iter().map(lane).collect::<Vec<String>>())
        .bind(messages.iter().map(|message| message.key.is_some()).collect::<Vec<bool>>())
        .bind(messages.iter().map(|message| &*message.payload).collect::<Vec<&[u8]>>())
        .bind(headers.iter().map(Payload::as_str).collect::<Vec<&str>>());
    let row = query.fetch_one(&mut **transaction).await.map_err(enqueue_error)?;
    let actual = StoreId::from_uuid(row.try_get(0).map_err(enqueue_error)?);
    if actual != expected {
        return Err(EnqueueError::Permanent(Failure::new(UnfitTransaction::OtherStore { actual, expected })));
    }
    if let Some(id) = row.try_get::<Option<Uuid>, _>(1).map_err(enqueue_error)? {
        return Err(EnqueueError::MessageIdReused { id: MessageId::from_uuid(id) });
    }
    let written: i64 = row.try_get(2).map_err(enqueue_error)?;
    let written = usize::try_from(written).unwrap_or_default();
    Ok(Enqueued { written, repeated: messages.len().saturating_sub(written) })
}

/// What can be checked without the database; the headers of each message as they are written.
fn check(messages: &[Message], limit: usize) -> Result<Vec<Payload>, EnqueueError> {
    if messages.len() > MESSAGES {
        return Err(EnqueueError::TooManyMessages { count: messages.len(), limit: MESSAGES });
    }
    let mut ids = HashSet::with_capacity(messages.len());
    let mut encoded = Vec::with_capacity(messages.len());
    for message in messages {
        let id = message.id;
        if !ids.insert(id) {
            return Err(EnqueueError::RepeatedMessageId { id });
        }
        let headers =
            Payload::encode(&message.headers).map_err(|error| EnqueueError::Permanent(Failure::new(error)))?;
        let bytes = message.payload.len() + headers.len();
        if bytes > limit {
            return Err(EnqueueError::TooLarge { id, bytes, limit });
        }
        encoded.push(headers);
    }
    Ok(encoded)
}

/// What a message is in line with: its key, or nothing but itself.
fn lane(message: &Message) -> String {
    message.key.as_ref().map_or_else(|| message.id.to_string(), |key| key.as_str().to_owned())
}

/// Nothing is written for good before the caller commits: also when no answer came. A unique key is taken when another
/// transaction has just enqueued under the same id: the next attempt finds out.
fn enqueue_error(error: sqlx::Error) -> EnqueueError {
    match meaning(&error) {
        Meaning::NoAnswer | Meaning::Transient | Meaning::Unique => EnqueueError::Transient(Failure::new(error)),
        Meaning::Permanent => EnqueueError::Permanent(Failure::new(explain(error))),
    }
}

fn unidentified(error: StoreError) -> EnqueueError {
    match error.is_transient() {
        true => EnqueueError::Transient(Failure::new(error)),
        false => EnqueueError::Permanent(Failure::new(error)),
    }
}
