//! Searching the documents of a live generation.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Failure, ReadModelError};
use serde::de::DeserializeOwned;
use serde_json::Value;

mod cursor;
mod deep;
mod error;
mod facet;
mod field;
mod filter;
mod highlight;
mod page;
mod query;
mod range;
mod value;
mod words;

pub use cursor::SearchCursor;
pub use deep::DeepPage;
pub use error::{InvalidSearch, SearchError};
pub use facet::{CalendarUnit, DateInterval, Facet, FacetBucket, FacetCounts, FacetValue};
pub use highlight::Highlight;
pub use page::{Hit, SearchPage};
pub use query::{Order, SearchQuery};
pub use range::Range;
pub use words::Fuzziness;

use super::client::{Answer, Client};
use super::error::{Decision, ServerError};
use super::mapping::Mapping;

/// How often a search is sent when its index was dropped beneath it.
const TRIES: usize = 3;

/// The documents of one projection, searched in its live generation.
///
/// A search sees documents as of the index' last refresh: a moment later than
/// [`Documents`](cqrs_core::Documents), which reads by key. Removed documents are never found.
#[derive(Debug)]
pub struct ElasticSearch<D> {
    client: Client,
    alias: String,
    mapping: Arc<Mapping>,
    keep_alive: Duration,
    document: PhantomData<fn() -> D>,
}

impl<D> Clone for ElasticSearch<D> {
    fn clone(&self) -> Self {
        let Self { client, alias, mapping, keep_alive, document } = self;
        Self {
            client: client.clone(),
            alias: alias.clone(),
            mapping: Arc::clone(mapping),
            keep_alive: *keep_alive,
            document: *document,
        }
    }
}

impl<D> ElasticSearch<D> {
    pub(super) const fn new(client: Client, alias: String, mapping: Arc<Mapping>) -> Self {
        Self { client, alias, mapping, keep_alive: Self::KEEP_ALIVE, document: PhantomData }
    }

    /// Sends a search as Elasticsearch writes it, `{"query": …, "aggs": …}`, and gives back its answer. It sees what typed
    /// searches see: the live generation without removed documents.
    ///
    /// # Errors
    /// [`SearchError::Refused`] when the server does not understand it, others as [`page`](Self::page).
    pub async fn raw(&self, body: &Value) -> Result<Value, SearchError> {
        Ok(self.search(body).await?.json()?)
    }

    async fn search(&self, body: &Value) -> Result<Answer, SearchError> {
        // An answer without some of its shards is none.
        self.send("_search?allow_partial_search_results=false", body).await
    }

    /// Sends a request to the readers' alias, and again when the index was dropped beneath it.
    async fn send(&self, request: &str, body: &Value) -> Result<Answer, SearchError> {
        let alias = &self.alias;
        let mut path = format!("{alias}/{request}");
        let mut tries = 1;
        loop {
            let answer = self.client.post(&path, &[], body).await?;
            if answer.is_ok() {
                return Ok(answer);
            }
            let error = answer.error();
            if error.decision() != Decision::Missing && !error.no_shard() {
                return Err(refused(error));
            }
            if tries == TRIES {
                return Err(ReadModelError::Transient(Failure::new(error)).into());
            }
            if error.is_missing(alias) {
                // A projection that was never opened has no hits. Only then: a closed index is ignored like one that is
                // not there.
                path = format!("{alias}/{request}&ignore_unavailable=true");
            }
            tries += 1;
        }
    }
}

/// What a refusal of a search means.
fn refused(error: ServerError) -> SearchError {
    match error.decision() {
        Decision::Rejected => SearchError::Refused(Failure::new(error)),
        _ => SearchError::ReadModel(error.into()),
    }
}

impl<D: DeserializeOwned> ElasticSearch<D> {
    /// One page of hits, with their number and facets.
    ///
    /// # Errors
    /// [`SearchError::Invalid`] for a query that cannot be answered, found before it is sent: an undeclared field, a field of
    /// another type, a page beyond the [window](SearchQuery::WINDOW); [`SearchError::Refused`] when the server finds
    /// something of the kind; [`ReadModelError::Corrupt`] within [`SearchError::ReadModel`] when a hit is not a `D`; others
    /// there when the server cannot be reached.
    pub async fn page(&self, query: &SearchQuery) -> Result<SearchPage<D>, SearchError> {
        let body = query.body(&self.mapping)?;
        let found = page::read(&self.search(&body).await?, query)?;
        Ok(SearchPage { hits: found.hits, total: found.total.unwrap_or_default(), facets: found.facets })
    }
}
