//! Searching the documents of a live generation.

use std::marker::PhantomData;
use std::sync::Arc;

use cqrs_core::{Failure, ReadModelError};
use serde::de::DeserializeOwned;
use serde_json::Value;

mod facet;
mod page;
mod query;
mod range;

pub use facet::{Facet, FacetBucket, FacetValue};
pub use page::{Hit, SearchPage};
pub use query::{Order, SearchQuery};
pub use range::Range;

use super::client::{Answer, Client};
use super::error::Decision;
use super::mapping::Mapping;

/// How often a search is sent when its index was dropped beneath it.
const TRIES: usize = 3;

/// The documents of one projection, searched in its live generation.
///
/// A search sees documents as of the index' last refresh: a moment later than
/// [`Documents`](cqrs_core::Documents), which reads by key.
#[derive(Debug)]
pub struct ElasticSearch<D> {
    client: Client,
    alias: String,
    mapping: Arc<Mapping>,
    document: PhantomData<fn() -> D>,
}

impl<D> Clone for ElasticSearch<D> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.alias.clone(), Arc::clone(&self.mapping))
    }
}

impl<D> ElasticSearch<D> {
    pub(super) const fn new(client: Client, alias: String, mapping: Arc<Mapping>) -> Self {
        Self { client, alias, mapping, document: PhantomData }
    }

    /// Sends a search as Elasticsearch writes it, `{"query": …}`, and gives back its answer.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn raw(&self, body: &Value) -> Result<Value, ReadModelError> {
        self.send(body).await?.json()
    }

    async fn send(&self, body: &Value) -> Result<Answer, ReadModelError> {
        // A projection that was never opened has no hits; an answer without some of its shards is none.
        let path = format!("{}/_search?ignore_unavailable=true&allow_partial_search_results=false", self.alias);
        let mut tries = 1;
        loop {
            let answer = self.client.post(&path, &[], body).await?;
            if answer.is_ok() {
                return Ok(answer);
            }
            let refused = answer.error();
            let dropped = refused.decision() == Decision::Missing || refused.no_shard();
            if !dropped || tries == TRIES {
                return Err(match dropped {
                    true => ReadModelError::Transient(Failure::new(refused)),
                    false => refused.into(),
                });
            }
            tries += 1;
        }
    }
}

impl<D: DeserializeOwned> ElasticSearch<D> {
    /// One page of hits, with their number and facets.
    ///
    /// # Errors
    /// [`ReadModelError::Permanent`] for a query that cannot be answered: an undeclared field, a field of another type, a
    /// page beyond the [window](SearchQuery::WINDOW); [`ReadModelError::Corrupt`] when a hit is not a `D`; others when the server
    /// cannot be reached.
    pub async fn page(&self, query: &SearchQuery) -> Result<SearchPage<D>, ReadModelError> {
        let body = query.body(&self.mapping).map_err(|reason| ReadModelError::Permanent(Failure::new(reason)))?;
        page::read(&self.send(&body).await?, query)
    }
}
