//! Checkpoints of reactors, in a table beside the events.

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    Checkpoint, CheckpointStore, EventId, Failure, FencingToken, Generation, ProjectionName, StoreError, StoreId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use uuid::Uuid;

use crate::connection::WriteConnection;
use crate::error::store_error;
use crate::row::{corrupt, position};
use crate::statements::{LOAD_CHECKPOINT, SAVE_CHECKPOINT};

/// The checkpoints that belong to a [`SqliteEventStore`](crate::SqliteEventStore).
#[derive(Debug, Clone)]
pub struct SqliteCheckpointStore {
    pub(crate) pool: SqlitePool,
    pub(crate) writes: Arc<WriteConnection>,
}

#[async_trait]
impl CheckpointStore for SqliteCheckpointStore {
    async fn load(&self, reader: &ProjectionName) -> Result<Option<Checkpoint>, StoreError> {
        let row = sqlx::query(LOAD_CHECKPOINT).bind(reader.as_str()).fetch_optional(&self.pool).await;
        row.and_then(|row| row.map(|row| checkpoint(&row)).transpose()).map_err(store_error)
    }

    async fn save(&self, reader: &ProjectionName, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let save = || {
            sqlx::query(SAVE_CHECKPOINT)
                .bind(reader.as_str())
                .bind(checkpoint.store_id.as_uuid())
                .bind(checkpoint.position.get().cast_signed())
                .bind(checkpoint.event_id.map(|id| id.as_uuid()))
                .bind(i64::from(checkpoint.generation.get()))
                .bind(checkpoint.token.get().cast_signed())
        };
        if !self.writes.execute(save).await.map_err(store_error)?.is_empty() {
            return Ok(());
        }
        if let Some(stored) = self.load(reader).await? {
            checkpoint.check_follows(&stored)?;
        }
        let changed = "the checkpoint changed while it was saved";
        Err(StoreError::Transient(Failure::new(changed)))
    }
}

fn checkpoint(row: &SqliteRow) -> Result<Checkpoint, sqlx::Error> {
    let generation: i64 = row.try_get(3)?;
    let token: i64 = row.try_get(4)?;
    Ok(Checkpoint {
        store_id: StoreId::from_uuid(row.try_get::<Uuid, _>(0)?),
        position: position(row, 1)?,
        event_id: row.try_get::<Option<Uuid>, _>(2)?.map(EventId::from_uuid),
        generation: Generation::new(u32::try_from(generation).map_err(corrupt)?),
        token: FencingToken::new(u64::try_from(token).map_err(corrupt)?),
    })
}
