//! Letters as columns of the statements.

use cqrs_core::{
    DeadLetter, DeadLetterCause, DeadLetterEvent, DeadLetterFailure, DeadLetterId, Discarded, EventId, EventType,
    Generation, NewDeadLetter, ProjectionName, StreamName, Target,
};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::row::{corrupt, position};
use crate::statements::PgQuery;
use crate::value::PgTimestamp;

/// Letters as arrays, one value for each.
#[derive(Default)]
pub(super) struct Columns<'a> {
    ids: Vec<Uuid>,
    documents: Vec<Option<&'a str>>,
    positions: Vec<i64>,
    event_ids: Vec<Uuid>,
    event_types: Vec<&'a str>,
    streams: Vec<&'a str>,
    causes: Vec<Option<&'static str>>,
    errors: Vec<&'a str>,
    attempts: Vec<i64>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(target: &Target, letters: &'a [NewDeadLetter]) -> Self {
        let mut columns = Self::default();
        for NewDeadLetter { document, event, failure } in letters {
            let document = document.as_deref();
            columns.ids.push(DeadLetterId::of(target, document, event.position).as_uuid());
            columns.documents.push(document);
            columns.positions.push(event.position.get().cast_signed());
            columns.event_ids.push(event.id.as_uuid());
            columns.event_types.push(event.event_type.as_str());
            columns.streams.push(event.stream.as_str());
            columns.causes.push(failure.as_ref().map(|failure| failure.cause.name()));
            columns.errors.push(failure.as_ref().map_or("", |failure| &failure.error));
            columns.attempts.push(failure.as_ref().map_or(0, |failure| i64::from(failure.attempts)));
        }
        columns
    }

    pub(super) fn bind<'q>(&'q self, query: PgQuery<'q>) -> PgQuery<'q> {
        query
            .bind(&self.ids[..])
            .bind(&self.documents[..])
            .bind(&self.positions[..])
            .bind(&self.event_ids[..])
            .bind(&self.event_types[..])
            .bind(&self.streams[..])
            .bind(&self.causes[..])
            .bind(&self.errors[..])
            .bind(&self.attempts[..])
    }
}

/// The columns letter_id, projection, generation, partition, document, position, event_id, event_type, stream, cause, error,
/// attempts, first_at, last_at, to_replay, removing, discarded_at, reason.
pub(super) fn letter(row: &PgRow) -> Result<DeadLetter, sqlx::Error> {
    let target = Target {
        projection: ProjectionName::new(row.try_get::<&str, _>(1)?).map_err(corrupt)?,
        generation: Generation::new(u32::try_from(row.try_get::<i64, _>(2)?).map_err(corrupt)?),
        partition: u16::try_from(row.try_get::<i32, _>(3)?).map_err(corrupt)?,
    };
    let event = DeadLetterEvent {
        id: EventId::from_uuid(row.try_get::<Uuid, _>(6)?),
        position: position(row, 5)?,
        event_type: EventType::new(row.try_get::<&str, _>(7)?).map_err(corrupt)?,
        stream: StreamName::new(row.try_get::<&str, _>(8)?).map_err(corrupt)?,
    };
    let time = |column: usize| row.try_get::<PgTimestamp, _>(column).map(|time| time.0);
    let new = NewDeadLetter { document: row.try_get(4)?, event, failure: failure(row)? };
    let mut letter = DeadLetter::new(&target, new, time(12)?);
    letter.last_at = time(13)?;
    letter.to_replay = row.try_get(14)?;
    letter.removing = row.try_get(15)?;
    if let Some(at) = row.try_get::<Option<PgTimestamp>, _>(16)? {
        letter.discarded = Some(Discarded::new(row.try_get(17)?, at.0));
    }
    Ok(letter)
}

fn failure(row: &PgRow) -> Result<Option<DeadLetterFailure>, sqlx::Error> {
    let Some(name) = row.try_get::<Option<&str>, _>(9)? else {
        return Ok(None);
    };
    let cause =
        DeadLetterCause::of_name(name).ok_or_else(|| corrupt(format!("the cause {name:?} of a dead letter")))?;
    let attempts = u32::try_from(row.try_get::<i64, _>(11)?).unwrap_or(u32::MAX);
    Ok(Some(DeadLetterFailure::new(cause, row.try_get(10)?, attempts)))
}
