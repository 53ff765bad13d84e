//! Queries by type and tag: what of the log matches them.

use cqrs_core::{EventQuery, GlobalPosition, QueryItem};
use serde_json::{Value, json};
use sqlx::{Row, SqliteConnection};

use crate::event_store::bound;
use crate::row::corrupt;
use crate::statements::MATCHING;

/// A query, and the positions between which it matters: after one and up to another.
pub(crate) type Window<'a> = (&'a EventQuery, GlobalPosition, GlobalPosition);

/// The positions of the first `limit` events that match each query within its window, ascending.
pub(crate) async fn matching(
    connection: &mut SqliteConnection,
    windows: &[Window<'_>],
    limit: usize,
) -> Result<Vec<Vec<GlobalPosition>>, sqlx::Error> {
    let everything = [QueryItem::new()];
    let (mut items, mut of): (Vec<Value>, Vec<usize>) = (Vec::new(), Vec::new());
    for (index, (query, after, until)) in windows.iter().enumerate() {
        for item in if query.is_all() { &everything } else { query.items() } {
            let (after, until) = (after.get().cast_signed(), until.get().cast_signed());
            items.push(json!({ "types": item.event_types(), "tags": item.tags(), "after": after, "until": until }));
            of.push(index);
        }
    }
    let mut found: Vec<Vec<GlobalPosition>> = vec![Vec::new(); windows.len()];
    let rows =
        sqlx::query(MATCHING).bind(Value::Array(items).to_string()).bind(bound(limit)).fetch_all(connection).await?;
    for (row, index) in rows.iter().zip(of) {
        let positions: Vec<u64> = serde_json::from_str(row.try_get_unchecked::<&str, _>(0)?).map_err(corrupt)?;
        found[index].extend(positions.into_iter().map(GlobalPosition::new));
    }
    for positions in &mut found {
        positions.sort_unstable();
        positions.dedup();
        positions.truncate(limit);
    }
    Ok(found)
}
