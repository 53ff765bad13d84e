//! Checkpoints of reactors, in a table beside the events.

use async_trait::async_trait;
use cqrs_core::{
    Checkpoint, CheckpointStore, EventId, Failure, FencingToken, Generation, ProjectionName, StoreError, StoreId,
};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::error::store_error;
use crate::row::{corrupt, position};
use crate::session::Sessions;
use crate::statements::Statements;

/// The checkpoints that belong to a [`PgEventStore`](crate::PgEventStore).
#[derive(Debug, Clone)]
pub struct PgCheckpointStore {
    pub(crate) sessions: Sessions,
    pub(crate) sql: Statements,
}

#[async_trait]
impl CheckpointStore for PgCheckpointStore {
    async fn load(&self, reader: &ProjectionName) -> Result<Option<Checkpoint>, StoreError> {
        let statement = self.sql.query(&self.sql.load_checkpoint).bind(reader.as_str());
        let row = self.sessions.fetch_optional(statement).await.map_err(store_error)?;
        row.map(|row| checkpoint(&row)).transpose().map_err(store_error)
    }

    async fn save(&self, reader: &ProjectionName, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let statement = self
            .sql
            .query(&self.sql.save_checkpoint)
            .bind(reader.as_str())
            .bind(checkpoint.store_id.as_uuid())
            .bind(checkpoint.position.get().cast_signed())
            .bind(checkpoint.event_id.map(|id| id.as_uuid()))
            .bind(i64::from(checkpoint.generation.get()))
            .bind(checkpoint.token.get().cast_signed());
        let saved = self.sessions.execute(statement).await.map_err(store_error)?;
        if saved.rows_affected() == 1 {
            return Ok(());
        }
        if let Some(stored) = self.load(reader).await? {
            checkpoint.check_follows(&stored)?;
        }
        let changed = "the checkpoint changed while it was saved";
        Err(StoreError::Transient(Failure::new(changed)))
    }
}

fn checkpoint(row: &PgRow) -> Result<Checkpoint, sqlx::Error> {
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
