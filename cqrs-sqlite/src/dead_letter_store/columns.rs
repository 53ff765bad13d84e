//! Letters as columns of the statements.

use cqrs_core::{
    DeadLetter, DeadLetterCause, DeadLetterEvent, DeadLetterFailure, DeadLetterId, Discarded, EventId, EventType,
    Generation, NewDeadLetter, ProjectionName, Target,
};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use crate::row::{corrupt, is_null, position, stream, timestamp};

/// Letters as one JSON text, an object for each.
pub(super) fn json(target: &Target, letters: &[NewDeadLetter]) -> String {
    let each = letters.iter().map(|NewDeadLetter { document, event, failure }| {
        let id = DeadLetterId::of(target, document.as_deref(), event.position);
        json!({
            "letter_id": id.as_uuid().simple().to_string(),
            "document": document,
            "position": event.position.get(),
            "event_id": event.id.as_uuid().simple().to_string(),
            "event_type": event.event_type.as_str(),
            "stream": event.stream.as_str(),
            "cause": failure.as_ref().map(|failure| failure.cause.name()),
            "error": failure.as_ref().map_or("", |failure| &failure.error),
            "attempts": failure.as_ref().map_or(0, |failure| failure.attempts),
        })
    });
    Value::Array(each.collect()).to_string()
}

/// The columns letter_id, projection, generation, partition, document, position, event_id, event_type, stream, cause, error,
/// attempts, first_at, last_at, to_replay, removing, discarded_at, reason.
pub(super) fn letter(row: &SqliteRow) -> Result<DeadLetter, sqlx::Error> {
    let target = Target {
        projection: ProjectionName::new(row.try_get::<&str, _>(1)?).map_err(corrupt)?,
        generation: Generation::new(u32::try_from(row.try_get::<i64, _>(2)?).map_err(corrupt)?),
        partition: u16::try_from(row.try_get::<i64, _>(3)?).map_err(corrupt)?,
    };
    let event = DeadLetterEvent {
        id: EventId::from_uuid(row.try_get::<Uuid, _>(6)?),
        position: position(row, 5)?,
        event_type: EventType::new(row.try_get::<&str, _>(7)?).map_err(corrupt)?,
        stream: stream(row, 8)?,
    };
    let new = NewDeadLetter { document: row.try_get(4)?, event, failure: failure(row)? };
    let mut letter = DeadLetter::new(&target, new, timestamp(row, 12)?);
    letter.last_at = timestamp(row, 13)?;
    letter.to_replay = row.try_get(14)?;
    letter.removing = row.try_get(15)?;
    if !is_null(row, 16)? {
        letter.discarded = Some(Discarded::new(row.try_get(17)?, timestamp(row, 16)?));
    }
    Ok(letter)
}

fn failure(row: &SqliteRow) -> Result<Option<DeadLetterFailure>, sqlx::Error> {
    let Some(name) = row.try_get::<Option<&str>, _>(9)? else {
        return Ok(None);
    };
    let cause =
        DeadLetterCause::of_name(name).ok_or_else(|| corrupt(format!("the cause {name:?} of a dead letter")))?;
    let attempts = u32::try_from(row.try_get::<i64, _>(11)?).unwrap_or(u32::MAX);
    Ok(Some(DeadLetterFailure::new(cause, row.try_get(10)?, attempts)))
}
