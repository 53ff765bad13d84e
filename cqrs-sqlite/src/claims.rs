//! Which stream holds which unique key: read and written under the write lock, in the transaction of the events.

use cqrs_core::{ClaimChange, ClaimKey, StreamName};
use sqlx::{Row, SqliteConnection};

use crate::row::{corrupt, stream};
use crate::statements::{CLAIM, CLAIMS};

/// Those of the keys that are held. Most groups want none, and ask nothing.
pub(crate) async fn read(
    connection: &mut SqliteConnection,
    wanted: &[&ClaimKey],
) -> Result<Vec<(ClaimKey, StreamName)>, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let keys = serde_json::to_string(wanted).map_err(unwritable)?;
    let rows = sqlx::query(CLAIMS).bind(keys).fetch_all(connection).await?;
    let held = rows.iter().map(|row| {
        let key = ClaimKey::stored(row.try_get_unchecked::<&str, _>(0)?).map_err(corrupt)?;
        Ok((key, stream(row, 1)?))
    });
    held.collect()
}

/// Called after the events were written that say so.
pub(crate) async fn write_and_commit(
    connection: &mut SqliteConnection,
    changes: &[ClaimChange],
) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = changes.iter().map(|change| (change.key.as_str(), &change.holder, change.position)).collect();
    let rows = serde_json::to_string(&rows).map_err(unwritable)?;
    sqlx::query(CLAIM).bind(rows).execute(connection).await.map(|_| ())
}

fn unwritable(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
