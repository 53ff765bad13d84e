//! Where a cache loads from.

use std::fmt::Debug;

use async_trait::async_trait;
use cqrs_core::{Documents, GlobalPosition, Payload, ReadModelError};
use serde::de::DeserializeOwned;

/// What was loaded for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The document as JSON; `None` when there is none.
    pub document: Option<Payload>,
    /// The position that it reflects, where the source knows it: all events up to there that touch it.
    pub position: Option<GlobalPosition>,
}

/// What stands behind a [`CacheAside`](super::CacheAside): [`Documents`] of any read model, or anything else that loads by
/// key.
#[async_trait]
pub trait CacheSource: Send + Sync + Debug + 'static {
    /// The document with this key, as it is at this moment.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read; the caller of the cache gets it.
    async fn load(&self, key: &str) -> Result<Loaded, ReadModelError>;
}

#[async_trait]
impl<D: DeserializeOwned + 'static> CacheSource for Documents<D> {
    async fn load(&self, key: &str) -> Result<Loaded, ReadModelError> {
        let stored = self.stored(&[key.to_owned()]).await?.pop().flatten();
        Ok(match stored {
            None => Loaded { document: None, position: None },
            Some(stored) => Loaded { document: stored.document, position: Some(stored.position) },
        })
    }
}
