//! Checkpoints in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::lock;
use crate::checkpoint_store::{Checkpoint, CheckpointStore};
use crate::event_store::StoreError;
use crate::name::ProjectionName;

/// Checkpoints in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InMemoryCheckpointStore(Arc<Mutex<HashMap<ProjectionName, Checkpoint>>>);

impl InMemoryCheckpointStore {
    /// No checkpoints yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl CheckpointStore for InMemoryCheckpointStore {
    async fn load(&self, reader: &ProjectionName) -> Result<Option<Checkpoint>, StoreError> {
        Ok(lock(&self.0).get(reader).copied())
    }

    async fn save(&self, reader: &ProjectionName, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let mut checkpoints = lock(&self.0);
        if let Some(stored) = checkpoints.get(reader) {
            checkpoint.check_follows(stored)?;
        }
        checkpoints.insert(reader.clone(), checkpoint);
        Ok(())
    }
}
