//! All hits, page after page, as they were at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use cqrs_core::ReadModelError;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::cursor::{SearchCursor, fingerprint};
use super::error::{InvalidSearch, SearchError};
use super::facet::FacetCounts;
use super::page::{self, Hit};
use super::query::SearchQuery;
use super::{Client, Decision, ElasticSearch, refused};

/// One of many pages.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DeepPage<D> {
    /// The hits of this page, in order.
    pub hits: Vec<Hit<D>>,
    /// How many documents were found in all.
    pub total: u64,
    /// The facets by the names that the query gave them; on the first page only.
    pub facets: BTreeMap<String, FacetCounts>,
    /// Where the next page begins; `None` after the last one. A last page may be without hits.
    pub next: Option<SearchCursor>,
}

impl<D> ElasticSearch<D> {
    /// How long a [cursor](SearchCursor) is good for, unless [`keep_alive`](Self::keep_alive) says otherwise.
    pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

    /// How long a [cursor](SearchCursor) or a stream is good for after each page, in whole milliseconds from one second on.
    /// As long, the server keeps files that it would otherwise delete.
    #[must_use]
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = time.max(Duration::from_secs(1));
        self
    }

    /// Gives up what a cursor goes on with before it [expires](Self::keep_alive).
    ///
    /// # Errors
    /// [`SearchError::ReadModel`] when the server cannot be reached. A cursor that has expired is no error.
    pub async fn close(&self, cursor: SearchCursor) -> Result<(), SearchError> {
        close(&self.client, &cursor.pit).await.map_err(SearchError::from)
    }

    async fn open_pit(&self) -> Result<String, SearchError> {
        #[derive(Deserialize)]
        struct Opened {
            id: String,
        }
        let request = format!("_pit?keep_alive={}", self.keeping_alive());
        let opened: Opened = self.send(&request, &json!({})).await?.json()?;
        Ok(opened.id)
    }

    fn keeping_alive(&self) -> String {
        format!("{}ms", self.keep_alive.as_millis())
    }
}

async fn close(client: &Client, pit: &str) -> Result<(), ReadModelError> {
    let answer = client.delete("_pit", &json!({ "id": pit })).await?;
    if answer.status == 404 { Ok(()) } else { answer.ok().map(drop) }
}

impl<D: DeserializeOwned> ElasticSearch<D> {
    /// The first page, or the one that a cursor leads to: as many pages as there are, beyond the
    /// [window](SearchQuery::WINDOW) too.
    ///
    /// All of them show the documents as they were when the first page was asked for, whatever is written or rebuilt
    /// meanwhile: no document twice, none left out. The query is the same for all pages. What is no longer wanted is best
    /// [closed](Self::close).
    ///
    /// # Errors
    /// As [`page`](Self::page), and [`SearchError::Expired`] when the cursor has expired.
    pub async fn deep_page(
        &self,
        query: &SearchQuery,
        after: Option<&SearchCursor>,
    ) -> Result<DeepPage<D>, SearchError> {
        let (body, limit) = query.deep_body(&self.mapping)?;
        let fingerprint = fingerprint(&body);
        let pit = match after {
            Some(cursor) if cursor.query != fingerprint => return Err(InvalidSearch::OtherQuery.into()),
            Some(cursor) => cursor.pit.clone(),
            None => self.open_pit().await?,
        };
        let found = self.in_pit(query, body, &pit, after).await;
        if after.is_none() && found.is_err() {
            // Nobody else knows it.
            self.close_quietly(&pit).await;
        }
        let found = found?;
        let total = after.map_or(found.total.unwrap_or_default(), |cursor| cursor.total);
        let pit = found.pit.unwrap_or(pit);
        let full = found.hits.len() as u64 == limit;
        let next = match found.last {
            Some(after) if full => Some(SearchCursor { pit, after, total, query: fingerprint }),
            _ => {
                self.close_quietly(&pit).await;
                None
            }
        };
        Ok(DeepPage { hits: found.hits, total, facets: found.facets, next })
    }

    async fn in_pit(
        &self,
        query: &SearchQuery,
        mut body: Value,
        pit: &str,
        after: Option<&SearchCursor>,
    ) -> Result<page::Found<D>, SearchError> {
        body["pit"] = json!({ "id": pit, "keep_alive": self.keeping_alive() });
        body["track_total_hits"] = json!(after.is_none());
        if let Some(cursor) = after {
            body["search_after"] = json!(cursor.after);
            if let Some(body) = body.as_object_mut() {
                body.remove("aggs");
            }
        }
        let answer = self.client.post("_search?allow_partial_search_results=false", &[], &body).await?;
        if !answer.is_ok() {
            let error = answer.error();
            return Err(if error.decision() == Decision::Missing { SearchError::Expired } else { refused(error) });
        }
        let mut found = page::read(&answer, query)?;
        if after.is_some() {
            found.facets.clear();
        }
        Ok(found)
    }

    async fn close_quietly(&self, pit: &str) {
        if let Err(error) = close(&self.client, pit).await {
            tracing::debug!(%error, "a point in time is left to expire");
        }
    }
}

impl<D: DeserializeOwned + Send + 'static> ElasticSearch<D> {
    /// All hits, in order, as [`deep_page`](Self::deep_page) finds them.
    ///
    /// A stream that is dropped before its end closes what it went on with.
    ///
    /// # Errors
    /// Each item is a hit or an error; nothing follows an error. See [`deep_page`](Self::deep_page).
    pub fn stream(
        &self,
        query: &SearchQuery,
    ) -> impl Stream<Item = Result<Hit<D>, SearchError>> + Send + Unpin + 'static + use<D> {
        let walk = Walk { search: self.clone(), query: query.clone(), next: Next::First };
        let pages = stream::try_unfold(walk, async |mut walk| {
            let hits = walk.next_page().await?;
            Ok::<_, SearchError>(hits.map(|hits| (stream::iter(hits.into_iter().map(Ok)), walk)))
        });
        pages.try_flatten().boxed()
    }
}

/// A stream between two pages.
struct Walk<D> {
    search: ElasticSearch<D>,
    query: SearchQuery,
    next: Next,
}

enum Next {
    First,
    After(SearchCursor),
    Nothing,
}

impl<D: DeserializeOwned> Walk<D> {
    async fn next_page(&mut self) -> Result<Option<Vec<Hit<D>>>, SearchError> {
        let after = match &self.next {
            Next::First => None,
            Next::After(cursor) => Some(cursor),
            Next::Nothing => return Ok(None),
        };
        let page = self.search.deep_page(&self.query, after).await?;
        self.next = page.next.map_or(Next::Nothing, Next::After);
        Ok(Some(page.hits))
    }
}

impl<D> Drop for Walk<D> {
    fn drop(&mut self) {
        if let (Next::After(cursor), Ok(runtime)) = (&self.next, Handle::try_current()) {
            let (client, pit) = (self.search.client.clone(), cursor.pit.clone());
            runtime.spawn(async move { close(&client, &pit).await });
        }
    }
}
