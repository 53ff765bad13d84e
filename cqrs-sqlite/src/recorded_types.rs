//! Which event types the log holds.

use async_trait::async_trait;
use cqrs_core::{EventType, RecordedTypes, StoreError};

use crate::error::store_error;
use crate::event_store::SqliteEventStore;
use crate::row::corrupt;
use crate::statements::RECORDED_TYPES;

#[async_trait]
impl RecordedTypes for SqliteEventStore {
    async fn recorded_types(&self) -> Result<Vec<EventType>, StoreError> {
        let names: Vec<String> =
            sqlx::query_scalar(RECORDED_TYPES).fetch_all(self.pool()).await.map_err(store_error)?;
        let types = names.iter().map(|name| EventType::new(name).map_err(corrupt)).collect::<Result<_, _>>();
        types.map_err(store_error)
    }
}
