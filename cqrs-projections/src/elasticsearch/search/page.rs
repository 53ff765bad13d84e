//! What was found.

use std::collections::{BTreeMap, HashMap};

use cqrs_core::{GlobalPosition, ReadModelError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::client::Answer;
use super::facet::FacetCounts;
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
    pub facets: BTreeMap<String, FacetCounts>,
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
    /// Where the words were found, by field: only fields that have some of them, and only if the query asks for it.
    pub highlights: BTreeMap<String, Vec<String>>,
}

/// What an answer holds.
#[derive(Debug)]
pub(super) struct Found<D> {
    pub(super) hits: Vec<Hit<D>>,
    pub(super) total: Option<u64>,
    pub(super) facets: BTreeMap<String, FacetCounts>,
    /// Where the last hit stands in the order.
    pub(super) last: Option<Vec<Value>>,
    /// The point in time that was searched.
    pub(super) pit: Option<String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    hits: Hits<'a>,
    #[serde(default)]
    aggregations: HashMap<String, Value>,
    pit_id: Option<String>,
}

#[derive(Deserialize)]
struct Hits<'a> {
    total: Option<Total>,
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
    #[serde(default)]
    highlight: BTreeMap<String, Vec<String>>,
    sort: Option<Vec<Value>>,
}

pub(super) fn read<D: DeserializeOwned>(answer: &Answer, query: &SearchQuery) -> Result<Found<D>, ReadModelError> {
    let mut body = answer.json::<Body<'_>>()?;
    let last = body.hits.hits.last_mut().and_then(|hit| hit.sort.take());
    let hits = body.hits.hits.into_iter().map(RawHit::decode).collect::<Result<_, _>>()?;
    let mut facets = BTreeMap::new();
    for (n, (name, facet)) in query.facets().iter().enumerate() {
        let counts = facet.read(body.aggregations.remove(&n.to_string()));
        let counts = counts.map_err(|error| ReadModelError::Corrupt { what: format!("facet {name:?}: {error}") })?;
        facets.insert(name.clone(), counts);
    }
    Ok(Found { hits, total: body.hits.total.map(|total| total.value), facets, last, pit: body.pit_id })
}

impl RawHit<'_> {
    fn decode<D: DeserializeOwned>(self) -> Result<Hit<D>, ReadModelError> {
        let Self { id, score, version, source, highlight, .. } = self;
        match serde_json::from_str(source.get()) {
            Ok(document) => {
                Ok(Hit { id, score, document, position: GlobalPosition::new(version), highlights: highlight })
            }
            Err(error) => Err(ReadModelError::Corrupt { what: format!("document {id:?}: {error}") }),
        }
    }
}
