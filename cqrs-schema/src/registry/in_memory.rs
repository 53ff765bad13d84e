//! A registry in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cqrs_core::EventType;

use super::{PublishedSchema, RegistryError, SchemaRegistry};

/// Schemas in memory, for tests. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct InMemorySchemaRegistry(Arc<Mutex<BTreeMap<String, Vec<PublishedSchema>>>>);

impl InMemorySchemaRegistry {
    /// Without schemas as yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl SchemaRegistry for InMemorySchemaRegistry {
    async fn revisions(&self, event_type: &EventType) -> Result<Vec<PublishedSchema>, RegistryError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.get(event_type.as_str()).cloned().unwrap_or_default())
    }

    async fn event_types(&self) -> Result<Vec<EventType>, RegistryError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.values().filter_map(|revisions| revisions.first()).map(|first| first.event_type.clone()).collect())
    }

    async fn add(&self, schema: PublishedSchema) -> Result<bool, RegistryError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let revisions = all.entry(schema.event_type.to_string()).or_default();
        if revisions.iter().any(|known| known.revision == schema.revision) {
            return Ok(false);
        }
        revisions.push(schema);
        revisions.sort_by_key(|schema| schema.revision);
        Ok(true)
    }
}
