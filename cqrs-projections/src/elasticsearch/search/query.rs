//! What to search for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::mapping::Mapping;
use super::facet::Facet;
use super::range::Range;

/// A direction of sorting. Documents without the field come last in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// What to search for, in which order, and which page of it.
///
/// Filters all have to hold. Without sorting, the best hits come first.
///
/// ```
/// use cqrs_projections::{Facet, Order, Range, SearchQuery};
///
/// let query = SearchQuery::new()
///     .keyword("asnyc rust", ["title^3", "description", "tags"])
///     .term("categories", "programming")
///     .range("price", Range::below(1_000_000))
///     .at_least("rating", 4.0)
///     .sort("rating", Order::Descending)
///     .sort("totalStudents", Order::Descending)
///     .facet("price", Facet::ranges("price", [Range::below(500_000), Range::at_least(500_000)]))
///     .page(1)
///     .limit(20);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    text: Option<Text>,
    clauses: Vec<Value>,
    filters: Vec<(String, Value)>,
    sort: Vec<(String, Order)>,
    facets: BTreeMap<String, Facet>,
    page: u64,
    limit: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Text {
    words: String,
    fields: Vec<String>,
}

impl Default for SearchQuery {
    fn default() -> Self {
        Self::new()
    }
}

impl SearchQuery {
    /// How many hits pages can show: the first 10,000 (`index.max_result_window`).
    pub const WINDOW: u64 = 10_000;

    /// Everything, 10 hits a page.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: None,
            clauses: Vec::new(),
            filters: Vec::new(),
            sort: Vec::new(),
            facets: BTreeMap::new(),
            page: 1,
            limit: 10,
        }
    }

    /// Documents with any of these words, or words like them (one or two letters differ, by length), in any of the
    /// fields; `title^3` counts three times. Blank words find everything.
    #[must_use]
    pub fn keyword<F: Into<String>>(mut self, words: &str, fields: impl IntoIterator<Item = F>) -> Self {
        let text = Text { words: words.to_owned(), fields: fields.into_iter().map(Into::into).collect() };
        self.text = (!words.trim().is_empty()).then_some(text);
        self
    }

    /// A query clause as Elasticsearch writes it, `{"match_phrase": {…}}`, that has to hold besides all else.
    #[must_use]
    pub fn clause(mut self, clause: Value) -> Self {
        self.clauses.push(clause);
        self
    }

    /// Documents in which the field has this value.
    #[must_use]
    pub fn term(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter("term", field, value.into())
    }

    /// Documents in which the field has one of these values.
    #[must_use]
    pub fn terms<V: Into<Value>>(self, field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        self.filter("terms", field, values.into_iter().map(Into::into).collect())
    }

    /// Documents in which the field is within the range.
    #[must_use]
    pub fn range(self, field: impl Into<String>, range: Range) -> Self {
        self.filter("range", field, Value::Object(range.body("gte", "lt")))
    }

    /// Documents in which the field is this or more.
    #[must_use]
    pub fn at_least(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter("range", field, json!({ "gte": value.into() }))
    }

    /// Documents in which the field is this or less.
    #[must_use]
    pub fn at_most(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter("range", field, json!({ "lte": value.into() }))
    }

    fn filter(mut self, kind: &str, field: impl Into<String>, value: Value) -> Self {
        let field = field.into();
        let filter = json!({ kind: { &field: value } });
        self.filters.push((field, filter));
        self
    }

    /// Sorts by the field, after those it sorts by already. For pages that never overlap, end with a unique field.
    #[must_use]
    pub fn sort(mut self, field: impl Into<String>, order: Order) -> Self {
        self.sort.push((field.into(), order));
        self
    }

    /// Counts the documents found, on all pages, under this name.
    #[must_use]
    pub fn facet(mut self, name: impl Into<String>, facet: Facet) -> Self {
        self.facets.insert(name.into(), facet);
        self
    }

    /// The page, from 1.
    #[must_use]
    pub const fn page(mut self, page: u64) -> Self {
        self.page = page;
        self
    }

    /// How many hits a page has, 10 without it; 0 for facets and the total only. Page times limit is within the
    /// [window](Self::WINDOW).
    #[must_use]
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    pub(super) const fn facets(&self) -> &BTreeMap<String, Facet> {
        &self.facets
    }

    /// The body of the request, or why there is none.
    pub(super) fn body(&self, mapping: &Mapping) -> Result<Value, String> {
        self.check(mapping)?;
        let mut query = Map::new();
        let mut must = self.clauses.clone();
        if let Some(Text { words, fields }) = &self.text {
            must.push(json!({ "multi_match": { "query": words, "fields": fields, "fuzziness": "AUTO" } }));
        }
        if must.is_empty() {
            must.push(json!({ "match_all": {} }));
        }
        query.insert("must".to_owned(), Value::Array(must));
        query.insert("filter".to_owned(), self.filters.iter().map(|(_, filter)| filter.clone()).collect());
        let mut body = json!({
            "query": { "bool": query },
            "from": (self.page - 1) * self.limit,
            "size": self.limit,
            "track_total_hits": true,
            "version": true,
        });
        if !self.sort.is_empty() {
            body["sort"] = self.sort.iter().map(|(field, order)| json!({ field: order.name() })).collect();
            body["track_scores"] = json!(self.text.is_some() || !self.clauses.is_empty());
        }
        if !self.facets.is_empty() {
            body["aggs"] = self.facets.iter().map(|(name, facet)| (name.clone(), facet.body())).collect();
        }
        Ok(body)
    }

    fn check(&self, mapping: &Mapping) -> Result<(), String> {
        if self.page == 0 {
            return Err("pages count from 1".to_owned());
        }
        if self.page.checked_mul(self.limit.max(1)).is_none_or(|last| last > Self::WINDOW) {
            let (Self { page, limit, .. }, window) = (self, Self::WINDOW);
            return Err(format!("page {page} of {limit} hits each lies beyond the first {window} hits"));
        }
        // What is no number, such as NaN, is null in JSON, and a bound of null is none at all.
        if let Some((field, _)) = self.filters.iter().find(|(_, filter)| holds_null(filter)) {
            return Err(format!("a value that {field:?} is compared with is null or no number"));
        }
        if let Some((name, _)) = self.facets.iter().find(|(_, facet)| holds_null(&facet.body())) {
            return Err(format!("a bound of the facet {name:?} is null or no number"));
        }
        let text = self.text.iter().flat_map(|text| &text.fields);
        let text = text.map(|field| field.split_once('^').map_or(field.as_str(), |(field, _)| field));
        // Patterns are for the server to resolve.
        let text = text.filter(|field| !field.contains('*'));
        let others = self.filters.iter().map(|(field, _)| field.as_str());
        let sorted = self.sort.iter().map(|(field, _)| field.as_str());
        let faceted = self.facets.values().map(Facet::field);
        let mut fields = text.chain(others).chain(sorted).chain(faceted);
        match fields.find(|field| mapping.knows(field) == Some(false)) {
            Some(unknown) => Err(format!("the mapping declares no field {unknown:?}")),
            None => Ok(()),
        }
    }
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(holds_null),
        Value::Object(values) => values.values().any(holds_null),
        _ => false,
    }
}

impl Order {
    const fn name(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::mapping::Field;
    use super::*;

    fn mapping() -> Mapping {
        Mapping::new().field("title", Field::text()).field("price", Field::long())
    }

    #[test]
    fn nothing_asked_for_finds_everything() {
        for query in [SearchQuery::new(), SearchQuery::new().keyword(" ", ["title"])] {
            let body = query.body(&mapping()).unwrap();
            assert_eq!(body["query"], json!({ "bool": { "must": [{ "match_all": {} }], "filter": [] } }));
            assert_eq!((&body["from"], &body["size"]), (&json!(0), &json!(10)));
        }
    }

    #[test]
    fn words_filters_order_and_facets_become_a_request() {
        let query = SearchQuery::new()
            .keyword("rust", ["title^3"])
            .range("price", Range::between(1, 5))
            .sort("price", Order::Descending)
            .facet("prices", Facet::ranges("price", [Range::below(3)]))
            .page(3)
            .limit(20);
        let expected = json!({
            "query": { "bool": {
                "must": [{ "multi_match": { "query": "rust", "fields": ["title^3"], "fuzziness": "AUTO" } }],
                "filter": [{ "range": { "price": { "gte": 1, "lt": 5 } } }],
            } },
            "from": 40, "size": 20, "track_total_hits": true, "version": true, "track_scores": true,
            "sort": [{ "price": "desc" }],
            "aggs": { "prices": { "range": { "field": "price", "ranges": [{ "to": 3, "key": "0" }], "keyed": true } } },
        });
        assert_eq!(query.body(&mapping()).unwrap(), expected);
    }

    #[test]
    fn pages_end_at_the_window() {
        let body = |page, limit| SearchQuery::new().page(page).limit(limit).body(&mapping());
        assert!(body(100, 100).is_ok() && body(1, 0).is_ok());
        assert_eq!(body(0, 10).unwrap_err(), "pages count from 1");
        let beyond = "page 101 of 100 hits each lies beyond the first 10000 hits";
        assert_eq!(body(101, 100).unwrap_err(), beyond);
        assert!(body(u64::MAX, u64::MAX).is_err());
    }

    #[test]
    fn a_bound_that_is_no_number_is_refused() {
        let (query, nan) = (SearchQuery::new(), Range::at_least(f64::NAN));
        for bad in [
            query.clone().range("price", nan.clone()),
            query.clone().terms("price", [Some(1), None]),
            query.facet("prices", Facet::ranges("price", [nan])),
        ] {
            assert!(bad.body(&mapping()).unwrap_err().ends_with("is null or no number"));
        }
    }

    #[test]
    fn fields_that_are_not_declared_are_named() {
        let query = SearchQuery::new();
        for bad in [
            query.clone().keyword("x", ["title", "titel^3"]),
            query.clone().term("titel", 1),
            query.clone().sort("titel", Order::Ascending),
            query.clone().facet("f", Facet::terms("titel", 1)),
        ] {
            assert_eq!(bad.body(&mapping()).unwrap_err(), "the mapping declares no field \"titel\"");
        }
        assert!(query.keyword("x", ["t*^2"]).body(&mapping()).is_ok());
    }
}
