//! Which stream holds which unique key: read and written under the append lock, in the transaction of the events.

use cqrs_core::{ClaimChange, ClaimKey, StreamName};
use sqlx::{PgConnection, Row};

use crate::row::corrupt;
use crate::statements::Statements;

/// Those of the keys that are held.
pub(crate) async fn read<'a>(
    connection: &mut PgConnection,
    sql: &Statements,
    keys: impl IntoIterator<Item = &'a ClaimKey>,
) -> Result<Vec<(ClaimKey, StreamName)>, sqlx::Error> {
    let keys: Vec<&str> = keys.into_iter().map(ClaimKey::as_str).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sql.query(&sql.claims).bind(keys).fetch_all(connection).await?;
    let held = rows.iter().map(|row| {
        let key = ClaimKey::stored(row.try_get::<&str, _>(0)?).map_err(corrupt)?;
        Ok((key, StreamName::new(row.try_get::<&str, _>(1)?).map_err(corrupt)?))
    });
    held.collect()
}

/// Called after the events were written that say so.
pub(crate) async fn write(
    connection: &mut PgConnection,
    sql: &Statements,
    changes: &[ClaimChange],
) -> Result<(), sqlx::Error> {
    if changes.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    let holders: Vec<Option<&str>> =
        changes.iter().map(|change| change.holder.as_ref().map(StreamName::as_str)).collect();
    let positions: Vec<i64> = changes.iter().map(|change| change.position.get().cast_signed()).collect();
    sql.query(&sql.claim).bind(keys).bind(holders).bind(positions).execute(connection).await?;
    Ok(())
}
