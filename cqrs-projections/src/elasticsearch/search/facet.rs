//! How many of the documents found have which value.

use std::time::Duration;

use cqrs_core::Timestamp;
use serde_json::{Value, json};

use super::super::mapping::Mapping;
use super::error::InvalidSearch;
use super::field::{self, Use};
use super::range::Range;

mod interval;
mod read;

pub use interval::{CalendarUnit, DateInterval};

/// Counts the documents found by the values of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Facet {
    field: String,
    by: By,
}

#[derive(Debug, Clone, PartialEq)]
enum By {
    Terms { most: u32 },
    Ranges(Vec<Range>),
    Histogram { interval: f64 },
    Dates(DateInterval),
}

/// What a facet counted.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct FacetCounts {
    /// The values with their numbers.
    pub buckets: Vec<FacetBucket>,
    /// How often documents have values that are in no bucket, because there are more than the facet asked for.
    pub others: u64,
    /// How much too low a count may be at most: 0 unless a facet by terms leaves values out on an index of several shards.
    pub error: u64,
}

/// One value of a facet and the number of documents that have it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FacetBucket {
    /// The value.
    pub value: FacetValue,
    /// How many documents have it.
    pub count: u64,
}

/// What a bucket counts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FacetValue {
    /// One value, as text.
    Term(String),
    /// A range of values.
    Range(Range),
    /// Numbers from this one, inclusive, to the next interval's.
    From(f64),
    /// Moments from this one, inclusive, to the beginning of the next interval.
    Since(Timestamp),
}

impl Facet {
    /// The `most` most frequent values of a keyword, a number, a date or a boolean, the most frequent first.
    ///
    /// On an index of several shards the counts are exact as long as no value is left out; see [`FacetCounts::error`].
    pub fn terms(field: impl Into<String>, most: u32) -> Self {
        Self { field: field.into(), by: By::Terms { most } }
    }

    /// Ranges of numbers or dates, in this order. They may overlap.
    pub fn ranges(field: impl Into<String>, ranges: impl IntoIterator<Item = Range>) -> Self {
        Self { field: field.into(), by: By::Ranges(ranges.into_iter().collect()) }
    }

    /// Numbers by intervals of this length, which meet at its multiples; from the lowest, without those that no document is in.
    pub fn histogram(field: impl Into<String>, interval: impl Into<f64>) -> Self {
        Self { field: field.into(), by: By::Histogram { interval: interval.into() } }
    }

    /// Dates by intervals of time, from the earliest, without those that no document is in.
    pub fn dates(field: impl Into<String>, interval: DateInterval) -> Self {
        Self { field: field.into(), by: By::Dates(interval) }
    }

    pub(super) fn check(&self, name: &str, mapping: &Mapping) -> Result<(), InvalidSearch> {
        let lacks = |what| Err(InvalidSearch::Facet { name: name.to_owned(), what });
        let used = match &self.by {
            By::Terms { most: 0 } => return lacks("no value to count"),
            By::Terms { .. } => Use::Terms,
            By::Ranges(ranges) if ranges.is_empty() => return lacks("no range to count"),
            By::Ranges(_) => Use::Ranges,
            By::Histogram { interval } if !(interval.is_finite() && *interval > 0.0) => {
                return lacks("an interval that is not above 0");
            }
            By::Histogram { .. } => Use::Histogram,
            By::Dates(interval) if interval.is_below(Duration::from_millis(1)) => {
                return lacks("an interval below a millisecond");
            }
            By::Dates(_) => Use::Dates,
        };
        let kind = field::check(mapping, &self.field, used)?;
        match &self.by {
            By::Ranges(ranges) => ranges.iter().try_for_each(|range| range.check(&self.field, kind)),
            _ => Ok(()),
        }
    }

    pub(super) fn body(&self) -> Value {
        let field = &self.field;
        match &self.by {
            By::Terms { most } => json!({ "terms": { "field": field, "size": most } }),
            By::Ranges(ranges) => {
                let kind = if ranges.iter().any(Range::is_of_dates) { "date_range" } else { "range" };
                let ranges: Vec<_> = ranges.iter().enumerate().map(|(n, range)| named(n, range)).collect();
                json!({ kind: { "field": field, "ranges": ranges, "keyed": true } })
            }
            By::Histogram { interval } => {
                json!({ "histogram": { "field": field, "interval": interval, "min_doc_count": 1 } })
            }
            By::Dates(interval) => {
                let mut body = interval.body();
                body.extend([("field".to_owned(), json!(field)), ("min_doc_count".to_owned(), json!(1))]);
                json!({ "date_histogram": body })
            }
        }
    }
}

fn named(n: usize, range: &Range) -> Value {
    let mut body = range.body("from", "to");
    body.insert("key".to_owned(), json!(n.to_string()));
    Value::Object(body)
}
