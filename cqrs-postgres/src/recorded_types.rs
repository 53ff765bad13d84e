//! Which event types the log holds.

use async_trait::async_trait;
use cqrs_core::{EventType, RecordedTypes, StoreError};
use sqlx::Row;

use crate::error::store_error;
use crate::event_store::PgEventStore;
use crate::row::corrupt;

#[async_trait]
impl RecordedTypes for PgEventStore {
    async fn recorded_types(&self) -> Result<Vec<EventType>, StoreError> {
        let statement = self.sql().query(&self.sql().recorded_types);
        let rows = self.sessions().fetch_all(statement).await.map_err(store_error)?;
        let name = |row| EventType::new(Row::try_get::<&str, _>(row, 0)?).map_err(corrupt);
        let mut types = rows.iter().map(name).collect::<Result<Vec<_>, _>>().map_err(store_error)?;
        // The database may have an order of its own.
        types.sort_unstable();
        Ok(types)
    }
}
