//! What to search for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::mapping::Mapping;
use super::error::InvalidSearch;
use super::facet::Facet;
use super::field::{self, Use};
use super::filter::{Filter, Is};
use super::highlight::Highlight;
use super::range::Range;
use super::words::{Fuzziness, Words};

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
/// The fields are checked against the [`Mapping`] before anything is sent: one that is not declared, a text that cannot be
/// sorted by, a range that ends before it begins are an [`InvalidSearch`].
///
/// ```
/// use cqrs_projections::{Facet, Highlight, Order, Range, SearchQuery};
///
/// let query = SearchQuery::new()
///     .keyword("asnyc rust", ["title^3", "description", "tags"])
///     .term("categories", "programming")
///     .range("price", Range::below(1_000_000))
///     .at_least("rating", 4.0)
///     .sort("rating", Order::Descending)
///     .sort("totalStudents", Order::Descending)
///     .facet("price", Facet::ranges("price", [Range::below(500_000), Range::at_least(500_000)]))
///     .highlight(Highlight::html(["title", "description"]))
///     .page(1)
///     .limit(20);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SearchQuery {
    words: Option<Words>,
    fuzziness: Fuzziness,
    clauses: Vec<Value>,
    filters: Vec<Filter>,
    sort: Vec<(String, Order)>,
    facets: BTreeMap<String, Facet>,
    highlight: Option<Highlight>,
    page: u64,
    limit: Option<u64>,
    no_hits: bool,
}

impl Default for SearchQuery {
    fn default() -> Self {
        Self::new()
    }
}

impl SearchQuery {
    /// How deep pages go: page times limit is at most 10,000, which is how Elasticsearch comes. Beyond that there are
    /// [`deep_page`](super::ElasticSearch::deep_page) and [`stream`](super::ElasticSearch::stream).
    pub const WINDOW: u64 = 10_000;

    /// How many hits a page has, unless told.
    const LIMIT: u64 = 10;

    /// How many hits a page has on the way through all of them, unless told.
    const DEEP_LIMIT: u64 = 1_000;

    /// All documents, 10 to a page.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            words: None,
            fuzziness: Fuzziness::Auto,
            clauses: Vec::new(),
            filters: Vec::new(),
            sort: Vec::new(),
            facets: BTreeMap::new(),
            highlight: None,
            page: 1,
            limit: None,
            no_hits: false,
        }
    }

    /// Documents with any of these words, or words [like them](Fuzziness), in any of the fields; `title^3` counts three
    /// times. Blank words find everything.
    #[must_use]
    pub fn keyword<F: Into<String>>(mut self, words: &str, fields: impl IntoIterator<Item = F>) -> Self {
        self.words = Some(Words::new(words, fields));
        self
    }

    /// How like the keyword's words those of a document have to be; at first [`Fuzziness::Auto`].
    #[must_use]
    pub const fn fuzziness(mut self, fuzziness: Fuzziness) -> Self {
        self.fuzziness = fuzziness;
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
        self.filter(field, Is::Value(value.into()))
    }

    /// Documents in which the field has one of these values.
    #[must_use]
    pub fn terms<V: Into<Value>>(self, field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        self.filter(field, Is::OneOf(values.into_iter().map(Into::into).collect()))
    }

    /// Documents in which the field is within the range.
    #[must_use]
    pub fn range(self, field: impl Into<String>, range: Range) -> Self {
        self.filter(field, Is::Within(range))
    }

    /// Documents in which the field is this or more.
    #[must_use]
    pub fn at_least(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.range(field, Range::at_least(value))
    }

    /// Documents in which the field is this or less.
    #[must_use]
    pub fn at_most(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Is::AtMost(value.into()))
    }

    fn filter(mut self, field: impl Into<String>, is: Is) -> Self {
        self.filters.push(Filter { field: field.into(), is });
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

    /// Shows where the words were found, in [`Hit::highlights`](super::Hit::highlights).
    #[must_use]
    pub fn highlight(mut self, highlight: Highlight) -> Self {
        self.highlight = Some(highlight);
        self
    }

    /// The page, from 1.
    #[must_use]
    pub const fn page(mut self, page: u64) -> Self {
        self.page = page;
        self
    }

    /// How many hits a page has, from 1; 10 without it. Page times limit is within the [window](Self::WINDOW).
    ///
    /// With a cursor or as a stream: how many hits each answer of the server has, 1,000 without it.
    #[must_use]
    pub const fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Facets and the total only.
    #[must_use]
    pub const fn no_hits(mut self) -> Self {
        self.no_hits = true;
        self
    }

    pub(super) const fn facets(&self) -> &BTreeMap<String, Facet> {
        &self.facets
    }

    /// The body of a request for one page.
    pub(super) fn body(&self, mapping: &Mapping) -> Result<Value, InvalidSearch> {
        let limit = self.limit.unwrap_or(Self::LIMIT);
        let Some(before) = self.page.checked_sub(1) else {
            return Err(InvalidSearch::NoSuchPage);
        };
        if limit == 0 {
            return Err(InvalidSearch::NoLimit);
        }
        if self.page.checked_mul(limit).is_none_or(|last| last > Self::WINDOW) {
            return Err(InvalidSearch::BeyondWindow { page: self.page, limit });
        }
        let mut body = self.parts(mapping)?;
        body["from"] = json!(before * limit);
        body["size"] = json!(if self.no_hits { 0 } else { limit });
        body["track_total_hits"] = json!(true);
        Ok(body)
    }

    /// The body of the requests for all pages one after the other, and how many hits each has.
    pub(super) fn deep_body(&self, mapping: &Mapping) -> Result<(Value, u64), InvalidSearch> {
        let limit = self.limit.unwrap_or(Self::DEEP_LIMIT);
        if limit == 0 {
            return Err(InvalidSearch::NoLimit);
        }
        if limit > Self::WINDOW {
            return Err(InvalidSearch::BeyondWindow { page: self.page, limit });
        }
        if self.page != 1 || self.no_hits {
            return Err(InvalidSearch::NotDeep);
        }
        let mut body = self.parts(mapping)?;
        body["size"] = json!(limit);
        if self.sort.is_empty() {
            // In the order of the index where nothing else matters: the server need not compare.
            body["sort"] = json!([if self.is_scored() { "_score" } else { "_shard_doc" }]);
        }
        Ok((body, limit))
    }

    /// What both have in common.
    fn parts(&self, mapping: &Mapping) -> Result<Value, InvalidSearch> {
        self.check(mapping)?;
        let mut must = self.clauses.clone();
        must.extend(self.words().map(|words| words.body(self.fuzziness)));
        if must.is_empty() {
            must.push(json!({ "match_all": {} }));
        }
        let filters: Vec<_> = self.filters.iter().map(Filter::body).collect();
        let mut body = json!({ "query": { "bool": { "must": must, "filter": filters } }, "version": true });
        if !self.sort.is_empty() {
            body["sort"] = self.sort.iter().map(|(field, order)| json!({ field: order.name() })).collect();
            body["track_scores"] = json!(self.is_scored());
        }
        if !self.facets.is_empty() {
            // Not all names can be sent.
            let facets = self.facets.values().enumerate().map(|(n, facet)| (n.to_string(), facet.body()));
            body["aggs"] = Value::Object(facets.collect::<Map<_, _>>());
        }
        if let Some(highlight) = &self.highlight {
            body["highlight"] = highlight.body();
        }
        Ok(body)
    }

    fn words(&self) -> Option<&Words> {
        self.words.as_ref().filter(|words| !words.are_none())
    }

    fn is_scored(&self) -> bool {
        self.words().is_some() || !self.clauses.is_empty()
    }

    fn check(&self, mapping: &Mapping) -> Result<(), InvalidSearch> {
        self.words.iter().try_for_each(|words| words.check(mapping))?;
        self.filters.iter().try_for_each(|filter| filter.check(mapping))?;
        self.sort.iter().try_for_each(|(name, _)| field::check(mapping, name, Use::Sort).map(drop))?;
        self.facets.iter().try_for_each(|(name, facet)| facet.check(name, mapping))?;
        self.highlight.iter().try_for_each(|highlight| highlight.check(mapping))
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

    fn refused(query: &SearchQuery) -> String {
        query.body(&mapping()).unwrap_err().to_string()
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
            .facet("prices > 0", Facet::ranges("price", [Range::below(3)]))
            .page(3)
            .limit(20);
        let expected = json!({
            "query": { "bool": {
                "must": [{ "multi_match": { "query": "rust", "fields": ["title^3"], "fuzziness": "AUTO" } }],
                "filter": [{ "range": { "price": { "gte": 1, "lt": 5 } } }],
            } },
            "from": 40, "size": 20, "track_total_hits": true, "version": true, "track_scores": true,
            "sort": [{ "price": "desc" }],
            "aggs": { "0": { "range": { "field": "price", "ranges": [{ "to": 3, "key": "0" }], "keyed": true } } },
        });
        assert_eq!(query.body(&mapping()).unwrap(), expected);
    }

    #[test]
    fn pages_end_at_the_window() {
        let query = |page, limit| SearchQuery::new().page(page).limit(limit);
        assert!(query(100, 100).body(&mapping()).is_ok());
        assert_eq!(refused(&query(0, 10)), "pages count from 1");
        assert_eq!(
            refused(&query(1, 0)),
            "a page has at least one hit: for facets and the total alone, ask for no hits"
        );
        let beyond = "page 101 of 100 hits each lies beyond the first 10000 hits: go there with a cursor";
        assert_eq!(refused(&query(101, 100)), beyond);
        assert!(query(u64::MAX, u64::MAX).body(&mapping()).is_err());
    }

    #[test]
    fn a_deep_search_has_an_order_and_no_page_numbers() {
        let query = SearchQuery::new();
        let deep = |query: &SearchQuery| query.deep_body(&mapping());
        let (body, limit) = deep(&query).unwrap();
        assert_eq!((&body["sort"], limit), (&json!(["_shard_doc"]), 1_000));
        assert_eq!(deep(&query.clone().keyword("x", ["title"])).unwrap().0["sort"], json!(["_score"]));
        let sorted = query.clone().keyword("x", ["title"]).sort("price", Order::Ascending);
        assert_eq!(deep(&sorted).unwrap().0["sort"], json!([{ "price": "asc" }]));
        for (bad, why) in [
            (query.clone().page(2), InvalidSearch::NotDeep),
            (query.clone().no_hits(), InvalidSearch::NotDeep),
            (query.clone().limit(0), InvalidSearch::NoLimit),
            (query.limit(10_001), InvalidSearch::BeyondWindow { page: 1, limit: 10_001 }),
        ] {
            assert_eq!(deep(&bad).unwrap_err(), why);
        }
    }

    #[test]
    fn a_bound_that_is_no_number_or_the_wrong_way_round_is_refused() {
        let (query, nan) = (SearchQuery::new(), Range::at_least(f64::NAN));
        for bad in [
            query.clone().range("price", nan.clone()),
            query.clone().at_most("price", "much"),
            query.clone().terms("price", [Some(1), None]),
            query.clone().facet("prices", Facet::ranges("price", [nan])),
        ] {
            assert!(refused(&bad).starts_with("the field \"price\" cannot be compared with "), "{}", refused(&bad));
        }
        let inverted = "the range of \"price\" from 5 to 4.5 ends before it begins";
        let range = || Range::between(5, 4.5);
        assert_eq!(refused(&query.clone().range("price", range())), inverted);
        assert_eq!(refused(&query.clone().facet("f", Facet::ranges("price", [range()]))), inverted);
        assert!(query.range("price", Range::between(5, 5)).body(&mapping()).is_ok());
    }

    #[test]
    fn fields_that_are_not_declared_are_named() {
        let query = SearchQuery::new();
        for bad in [
            query.clone().keyword("x", ["title", "titel^3"]),
            query.clone().keyword("", ["titel"]),
            query.clone().term("titel", 1),
            query.clone().sort("titel", Order::Ascending),
            query.clone().facet("f", Facet::terms("titel", 1)),
            query.clone().highlight(Highlight::html(["titel"])),
        ] {
            assert_eq!(refused(&bad), "the mapping declares no field \"titel\"");
        }
        assert!(query.keyword("x", ["t*^2"]).body(&mapping()).is_ok());
    }

    #[test]
    fn boosts_and_facets_that_make_no_sense_are_refused() {
        let query = SearchQuery::new();
        for boost in ["title^", "title^x", "title^0", "title^-1", "title^inf"] {
            let boosted = query.clone().keyword("x", [boost]);
            assert_eq!(boosted.body(&mapping()).unwrap_err(), InvalidSearch::Boost { field: boost.to_owned() });
        }
        assert_eq!(query.clone().keyword("x", [""; 0]).body(&mapping()).unwrap_err(), InvalidSearch::NoFields);
        for facet in [
            Facet::terms("price", 0),
            Facet::ranges("price", []),
            Facet::histogram("price", 0),
            Facet::histogram("price", f64::NAN),
        ] {
            assert!(refused(&query.clone().facet("f", facet)).starts_with("the facet \"f\" has "));
        }
    }
}
