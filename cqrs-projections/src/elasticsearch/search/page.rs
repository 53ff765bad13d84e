//! What was found.

use std::collections::{BTreeMap, HashMap};

use cqrs_core::{GlobalPosition, ReadModelError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::client::Answer;
use super::facet::FacetBucket;
use super::query::SearchQuery;

/// One page of a search.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SearchPage<D> {
    /// The hits of this page, in order.
    pub hits: Vec<Hit<D>>,
    /// How many documents were found in all.
    pub total: u64,
    /// The facets by the names that the query gave them.
    pub facets: BTreeMap<String, Vec<FacetBucket>>,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit<D> {
    /// Its key.
    pub id: String,
    /// How well it fits; `None` when the query sorts and has no keyword.
    pub score: Option<f64>,
    /// The document.
    pub document: D,
    /// The position of the last event that it reflects.
    pub position: GlobalPosition,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    hits: Hits<'a>,
    #[serde(default)]
    aggregations: HashMap<String, Value>,
}

#[derive(Deserialize)]
struct Hits<'a> {
    total: Total,
    #[serde(borrow)]
    hits: Vec<RawHit<'a>>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct RawHit<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_score")]
    score: Option<f64>,
    #[serde(rename = "_version")]
    version: u64,
    #[serde(rename = "_source", borrow)]
    source: &'a RawValue,
}

pub(super) fn read<D: DeserializeOwned>(answer: &Answer, query: &SearchQuery) -> Result<SearchPage<D>, ReadModelError> {
    let mut body = answer.json::<Body<'_>>()?;
    let hits = body.hits.hits.into_iter().map(RawHit::decode).collect::<Result<_, _>>()?;
    let mut facets = BTreeMap::new();
    for (name, facet) in query.facets() {
        let buckets = facet.read(body.aggregations.remove(name));
        let buckets = buckets.map_err(|error| ReadModelError::Corrupt { what: format!("facet {name:?}: {error}") })?;
        facets.insert(name.clone(), buckets);
    }
    Ok(SearchPage { hits, total: body.hits.total.value, facets })
}

impl RawHit<'_> {
    fn decode<D: DeserializeOwned>(self) -> Result<Hit<D>, ReadModelError> {
        match serde_json::from_str(self.source.get()) {
            Ok(document) => {
                Ok(Hit { id: self.id, score: self.score, document, position: GlobalPosition::new(self.version) })
            }
            Err(error) => Err(ReadModelError::Corrupt { what: format!("document {:?}: {error}", self.id) }),
        }
    }
}
