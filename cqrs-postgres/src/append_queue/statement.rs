//! A planned group, sent to the database.

use cqrs_core::append_queue::EncodedAppend;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::plan::{Plan, Written};
use crate::queries::Items;
use crate::statements::Statements;
use crate::value::PgTimestamp;

/// `None` when a bound did not hold, and nothing was written.
pub(super) async fn write<'a>(
    connection: &mut PgConnection,
    sql: &Statements,
    group: impl IntoIterator<Item = &'a EncodedAppend>,
    plan: &Plan<'_>,
) -> Result<Option<Written>, sqlx::Error> {
    let names: Vec<&str> = plan.streams.iter().map(|stream| stream.name.as_str()).collect();
    let lowest: Vec<i64> = plan.streams.iter().map(|stream| stream.lowest.cast_signed()).collect();
    let highest: Vec<i64> = plan.streams.iter().map(|stream| stream.highest.cast_signed()).collect();
    let count = plan.events.len();
    let mut ids: Vec<Uuid> = Vec::with_capacity(count);
    let mut streams: Vec<&str> = Vec::with_capacity(count);
    let mut event_types: Vec<&str> = Vec::with_capacity(count);
    let mut occurred: Vec<Option<PgTimestamp>> = Vec::with_capacity(count);
    let mut payloads: Vec<&str> = Vec::with_capacity(count);
    let mut metadata: Vec<&str> = Vec::with_capacity(count);
    let (mut tags, mut tagged): (Vec<&str>, Vec<i32>) = (Vec::new(), Vec::new());
    for append in group {
        for (event, encoded) in append.events() {
            ids.push(event.id.as_uuid());
            streams.push(event.stream.as_str());
            event_types.push(event.event_type.as_str());
            occurred.push(event.occurred_at.map(PgTimestamp));
            payloads.push(event.payload.as_str());
            metadata.push(encoded.as_str());
            let said = &event.metadata.tags;
            let each_once = said.iter().enumerate().filter(|(index, tag)| !said[..*index].contains(tag));
            for (_, tag) in each_once {
                tags.push(tag);
                tagged.push(ids.len() as i32);
            }
        }
    }
    // At most 1,000 events a group, give or take one append: the numbers fit.
    let indexes: Vec<i32> = plan.events.iter().map(|event| event.stream as i32 + 1).collect();
    let offsets: Vec<i64> = plan.events.iter().map(|event| event.offset.cast_signed()).collect();
    let items = Items::of(&plan.queries)?;
    let row = sql
        .query(&sql.append)
        .bind(names)
        .bind(lowest)
        .bind(highest)
        .bind(ids)
        .bind(streams)
        .bind(indexes)
        .bind(offsets)
        .bind(event_types)
        .bind(occurred)
        .bind(payloads)
        .bind(metadata)
        .bind(tags)
        .bind(tagged)
        .bind(items.items)
        .bind(items.afters)
        .fetch_one(connection)
        .await?;
    if !row.try_get::<bool, _>(0)? {
        return Ok(None);
    }
    let heads: Vec<i64> = row.try_get(3)?;
    Ok(Some(Written {
        first_position: row.try_get::<i64, _>(1)?.cast_unsigned(),
        recorded_at: row.try_get::<PgTimestamp, _>(2)?.0,
        heads: heads.into_iter().map(i64::cast_unsigned).collect(),
    }))
}
