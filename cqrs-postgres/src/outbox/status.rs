//! What is known of messages.

use std::time::Duration;

use cqrs_core::{Message, MessageId, MessageKey, Timestamp, Topic};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::row::{corrupt, payload};
use crate::value::PgTimestamp;

/// How the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OutboxStatus {
    /// Messages that are to be published.
    pub pending: u64,
    /// Messages that could not be published: see [`PgOutbox::parked`](super::PgOutbox::parked).
    pub parked: u64,
    /// How long ago the oldest pending message was enqueued, to the microsecond; `None` when there is none.
    pub oldest_pending: Option<Duration>,
}

/// A message that could not be published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedMessage {
    /// The message.
    pub message: Message,
    /// How often it was tried.
    pub attempts: u32,
    /// What the publisher said the last time.
    pub reason: String,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
}

/// The columns pending, parked, microseconds of the oldest.
pub(super) fn status(row: &PgRow) -> Result<OutboxStatus, sqlx::Error> {
    Ok(OutboxStatus {
        pending: row.try_get::<i64, _>(0)?.unsigned_abs(),
        parked: row.try_get::<i64, _>(1)?.unsigned_abs(),
        oldest_pending: micros(row.try_get(2)?),
    })
}

/// The columns of [`message`], attempts, reason, enqueued_at.
pub(super) fn parked(row: &PgRow) -> Result<ParkedMessage, sqlx::Error> {
    Ok(ParkedMessage {
        message: message(row)?,
        attempts: row.try_get::<i32, _>(7)?.unsigned_abs(),
        reason: row.try_get::<Option<String>, _>(8)?.unwrap_or_default(),
        enqueued_at: row.try_get::<PgTimestamp, _>(9)?.0,
    })
}

/// The columns lane, sequence, message_id, topic, keyed, payload, headers.
pub(super) fn message(row: &PgRow) -> Result<Message, sqlx::Error> {
    let topic = Topic::new(row.try_get::<&str, _>(3)?).map_err(corrupt)?;
    let mut message = Message::new(topic, row.try_get::<Vec<u8>, _>(5)?);
    message.id = MessageId::from_uuid(row.try_get::<Uuid, _>(2)?);
    if row.try_get(4)? {
        message.key = Some(MessageKey::new(row.try_get::<&str, _>(0)?).map_err(corrupt)?);
    }
    message.headers = payload(row, 6)?.decode().map_err(corrupt)?;
    Ok(message)
}

/// A difference of clocks may be negative.
pub(super) fn micros(micros: Option<i64>) -> Option<Duration> {
    micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}
