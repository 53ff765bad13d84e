//! A registry of schemas, for systems that consume the events and share no code with those that write them.

mod directory;
mod in_memory;

use std::fmt::Debug;

use async_trait::async_trait;
use cqrs_core::{EventType, Failure, InvalidName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use directory::SchemaDirectory;
pub use in_memory::InMemorySchemaRegistry;

use crate::compatibility::{Compatibility, compare};
use crate::difference::Difference;
use crate::lock::Lock;

/// A JSON Schema as it was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedSchema {
    /// The event type, its version included: a new version is for consumers to opt into.
    pub event_type: EventType,
    /// How often the schema of this event type was published, from 1.
    pub revision: u32,
    /// What its events are written in.
    pub schema: Value,
}

/// Keeps schemas that were published.
///
/// # Contract
/// - A revision that was published is never changed, and never removed.
/// - [`add`](Self::add) takes a revision once, whoever else adds it at the same time; a reader sees the whole of it or nothing.
#[async_trait]
pub trait SchemaRegistry: Send + Sync + Debug + 'static {
    /// All revisions of an event type, oldest first; none when it was never published.
    ///
    /// # Errors
    /// [`RegistryError`] when they cannot be read.
    async fn revisions(&self, event_type: &EventType) -> Result<Vec<PublishedSchema>, RegistryError>;

    /// The event types that were published, in order.
    ///
    /// # Errors
    /// [`RegistryError`] when they cannot be read.
    async fn event_types(&self) -> Result<Vec<EventType>, RegistryError>;

    /// Adds a revision. `false` when there is one of this number already; nothing is changed then.
    ///
    /// # Errors
    /// [`RegistryError`] when it could not be written.
    async fn add(&self, schema: PublishedSchema) -> Result<bool, RegistryError>;
}

/// Why a schema was not published, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The newest published schema and this one do not go together as demanded. Nothing of this event type was published.
    #[error("{event_type} is not {demanded} compatible with revision {revision}: {}", listed(differences))]
    Incompatible {
        /// The event type.
        event_type: EventType,
        /// What was demanded.
        demanded: Compatibility,
        /// The revision that it was compared with.
        revision: u32,
        /// What stands against it.
        differences: Vec<Difference>,
    },
    /// The registry holds something that it did not write.
    #[error("{what} is no published schema")]
    Corrupt {
        /// Where it is.
        what: String,
        /// Why.
        source: Failure,
    },
    /// A locked name is no event type.
    #[error("a locked name is no event type")]
    InvalidName(#[from] InvalidName),
    /// The registry cannot be read or written.
    #[error("the registry cannot be read or written")]
    Unavailable(#[source] Failure),
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Publishes the newest schema of an event type, unless it is the newest revision already. Gives the newest revision.
///
/// # Errors
/// [`RegistryError::Incompatible`] when what is demanded does not hold, others when the registry cannot be used.
pub async fn publish(
    registry: &dyn SchemaRegistry,
    event_type: &EventType,
    schema: &Value,
    demanded: Compatibility,
) -> Result<PublishedSchema, RegistryError> {
    loop {
        let newest = registry.revisions(event_type).await?.pop();
        if let Some(newest) = &newest {
            if newest.schema == *schema {
                return Ok(newest.clone());
            }
            let comparison = compare(&newest.schema, schema);
            let differences: Vec<_> = comparison.breaking(demanded).cloned().collect();
            if !differences.is_empty() {
                let (event_type, revision) = (event_type.clone(), newest.revision);
                return Err(RegistryError::Incompatible { event_type, demanded, revision, differences });
            }
        }
        let revision = newest.map_or(1, |newest| newest.revision + 1);
        let new = PublishedSchema { event_type: event_type.clone(), revision, schema: schema.clone() };
        if registry.add(new.clone()).await? {
            return Ok(new);
        }
        // Somebody else was faster; it is compared with theirs.
    }
}

/// Publishes the schemas of all event types of a lock. Those before the first that is refused stay published; publishing
/// again is harmless.
///
/// # Errors
/// As [`publish`].
pub async fn publish_all(
    registry: &dyn SchemaRegistry,
    lock: &Lock,
    demanded: Compatibility,
) -> Result<Vec<PublishedSchema>, RegistryError> {
    let mut published = Vec::new();
    for name in lock.event_types() {
        if let Some(schema) = lock.schema(name) {
            published.push(publish(registry, &EventType::new(name)?, schema, demanded).await?);
        }
    }
    Ok(published)
}
