//! The query that every read model answers.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Query, QueryHandler};
use crate::command::Context;
use crate::read_model::{Documents, ReadModelError};

/// The document `D` with a key. [`Documents<D>`] answers it; where several projections keep documents of one type, queries of
/// your own tell them apart.
pub struct Find<D> {
    key: String,
    document: PhantomData<fn() -> D>,
}

impl<D> Find<D> {
    /// The one with this key.
    pub fn by_key(key: impl Into<String>) -> Self {
        Self { key: key.into(), document: PhantomData }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl<D: Send + 'static> Query for Find<D> {
    type Answer = Option<D>;
    type Error = ReadModelError;

    fn is_transient(error: &ReadModelError) -> bool {
        error.is_transient()
    }
}

impl<D: DeserializeOwned + Send + 'static> QueryHandler<Find<D>> for Documents<D> {
    async fn answer(&self, query: Find<D>, _: Context) -> Result<Option<D>, ReadModelError> {
        self.get(&query.key).await
    }
}

impl<D> Clone for Find<D> {
    fn clone(&self) -> Self {
        Self::by_key(&self.key)
    }
}

impl<D> fmt::Debug for Find<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Find").field(&self.key).finish()
    }
}
