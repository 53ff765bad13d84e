//! What visitors search for.

use std::collections::BTreeMap;

use cqrs_projections::{Facet, FacetCounts, FacetValue, Highlight, Order, Range, SearchPage, SearchQuery};
use serde::{Deserialize, Serialize};

use crate::catalogue::CourseView;

/// Where price ranges meet: below the first, up to the second, from there on.
const PRICES: [u64; 2] = [500_000, 1_000_000];

/// How many courses a page has at most.
const MOST: u64 = 100;

/// In which order courses come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// The best rated first, then those with the most students.
    #[default]
    Rating,
    /// Those that fit the keyword best first.
    Relevance,
}

/// A search; what is not given does not narrow it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Search {
    pub keyword: String,
    pub category: Option<String>,
    /// Inclusive.
    pub min_price: Option<u64>,
    /// Inclusive.
    pub max_price: Option<u64>,
    pub min_rating: f64,
    pub sort: Sort,
    /// From 1.
    pub page: u64,
    pub limit: u64,
    /// Shows what was written up to this position at least.
    pub after: Option<u64>,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            keyword: String::new(),
            category: None,
            min_price: None,
            max_price: None,
            min_rating: 0.0,
            sort: Sort::Rating,
            page: 1,
            limit: 20,
            after: None,
        }
    }
}

impl Search {
    /// As the read model is asked.
    pub fn query(&self) -> SearchQuery {
        let mut query = SearchQuery::new()
            .keyword(&self.keyword, ["title^3", "description", "tags"])
            .at_least("rating", self.min_rating)
            .facet("categories", Facet::terms("categories", 50))
            .facet(
                "prices",
                Facet::ranges(
                    "price",
                    [Range::below(PRICES[0]), Range::between(PRICES[0], PRICES[1]), Range::at_least(PRICES[1])],
                ),
            )
            .highlight(Highlight::html(["title", "description"]))
            .page(self.page)
            .limit(self.limit.min(MOST));
        if let Some(category) = &self.category {
            query = query.term("categories", category.as_str());
        }
        if let Some(price) = self.min_price {
            query = query.at_least("price", price);
        }
        if let Some(price) = self.max_price {
            query = query.at_most("price", price);
        }
        match self.sort {
            Sort::Rating => query.sort("rating", Order::Descending).sort("totalStudents", Order::Descending),
            Sort::Relevance => query,
        }
    }
}

/// What was found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub total: u64,
    pub courses: Vec<FoundCourse>,
    /// For each category the number of courses, the most frequent first.
    pub categories: Vec<(String, u64)>,
    /// Below 500,000; from there to below 1,000,000; from there on.
    pub prices: Vec<u64>,
}

/// A course that was found, with the words in it that were searched for.
#[derive(Debug, Serialize)]
pub struct FoundCourse {
    #[serde(flatten)]
    pub course: CourseView,
    pub highlights: BTreeMap<String, Vec<String>>,
}

impl From<SearchPage<CourseView>> for Found {
    fn from(mut page: SearchPage<CourseView>) -> Self {
        let mut facet = |name| page.facets.remove(name).map_or_else(Vec::new, |FacetCounts { buckets, .. }| buckets);
        let term = |value| match value {
            FacetValue::Term(term) => term,
            _ => String::new(),
        };
        let categories = facet("categories").into_iter().map(|bucket| (term(bucket.value), bucket.count)).collect();
        let prices = facet("prices").into_iter().map(|bucket| bucket.count).collect();
        let hits = page.hits.into_iter();
        let courses = hits.map(|hit| FoundCourse { course: hit.document, highlights: hit.highlights }).collect();
        Self { total: page.total, courses, categories, prices }
    }
}
