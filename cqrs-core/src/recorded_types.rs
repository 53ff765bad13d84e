//! The port of a log's own vocabulary.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::event_store::StoreError;
use crate::name::EventType;

/// Says which event types a log holds: what a program must be able to decode, whatever its source code says.
///
/// # Contract
/// - Each type of which there is an event, once, and in order; also of streams that are archived or truncated.
/// - What it takes grows with the number of types, not with that of the events.
#[async_trait]
pub trait RecordedTypes: Send + Sync + Debug + 'static {
    /// The event types in the log.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn recorded_types(&self) -> Result<Vec<EventType>, StoreError>;
}
