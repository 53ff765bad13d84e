//! How many of the documents found have which value.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::range::Range;

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
}

impl Facet {
    /// The `most` most frequent values of a keyword, a number or a boolean, the most frequent first.
    pub fn terms(field: impl Into<String>, most: u32) -> Self {
        Self { field: field.into(), by: By::Terms { most } }
    }

    /// Ranges of numbers or dates, in this order. They may overlap.
    pub fn ranges(field: impl Into<String>, ranges: impl IntoIterator<Item = Range>) -> Self {
        Self { field: field.into(), by: By::Ranges(ranges.into_iter().collect()) }
    }

    pub(super) fn field(&self) -> &str {
        &self.field
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
        }
    }

    /// The buckets in an answer; without one, as from an index that is not there, nothing was found.
    pub(super) fn read(&self, answer: Option<Value>) -> Result<Vec<FacetBucket>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Terms {
            buckets: Vec<Term>,
        }
        #[derive(Deserialize)]
        struct Term {
            key: Value,
            key_as_string: Option<String>,
            doc_count: u64,
        }
        #[derive(Deserialize, Default)]
        struct Ranges {
            buckets: HashMap<String, Count>,
        }
        #[derive(Deserialize)]
        struct Count {
            doc_count: u64,
        }
        match &self.by {
            By::Terms { .. } => {
                let found = answer.map(serde_json::from_value::<Terms>).transpose()?;
                let text = |key: Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                let bucket = |term: Term| FacetBucket {
                    value: FacetValue::Term(term.key_as_string.unwrap_or_else(|| text(term.key))),
                    count: term.doc_count,
                };
                Ok(found.map_or_else(Vec::new, |found| found.buckets.into_iter().map(bucket).collect()))
            }
            By::Ranges(ranges) => {
                let found = answer.map(serde_json::from_value::<Ranges>).transpose()?.unwrap_or_default();
                let count = |n: usize| found.buckets.get(&n.to_string()).map_or(0, |bucket| bucket.doc_count);
                let bucket = |(n, range): (usize, &Range)| FacetBucket {
                    value: FacetValue::Range(range.clone()),
                    count: count(n),
                };
                Ok(ranges.iter().enumerate().map(bucket).collect())
            }
        }
    }
}

fn named(n: usize, range: &Range) -> Value {
    let mut body = range.body("from", "to");
    body.insert("key".to_owned(), json!(n.to_string()));
    Value::Object(body)
}
