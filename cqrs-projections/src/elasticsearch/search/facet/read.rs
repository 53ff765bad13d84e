//! What the server counted.

use std::collections::HashMap;

use cqrs_core::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{By, Facet, FacetBucket, FacetCounts, FacetValue};

#[derive(Deserialize)]
struct Counted<K> {
    buckets: Vec<Bucket<K>>,
    #[serde(default)]
    sum_other_doc_count: u64,
    #[serde(default)]
    doc_count_error_upper_bound: u64,
}

#[derive(Deserialize)]
struct Bucket<K> {
    key: K,
    key_as_string: Option<String>,
    doc_count: u64,
}

#[derive(Deserialize)]
struct Ranges {
    buckets: HashMap<String, Count>,
}

#[derive(Deserialize)]
struct Count {
    doc_count: u64,
}

impl Facet {
    /// The counts in an answer; without them, as from an index that is not there, nothing was found.
    pub(in super::super) fn read(&self, answer: Option<Value>) -> Result<FacetCounts, serde_json::Error> {
        match &self.by {
            By::Terms { .. } => counted(answer, |key: Value, text| {
                let plain = || key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                FacetValue::Term(text.unwrap_or_else(plain))
            }),
            By::Histogram { .. } => counted(answer, |key, _| FacetValue::From(key)),
            By::Dates(_) => counted(answer, |millis: i64, _| {
                FacetValue::Since(Timestamp::from_micros(millis.saturating_mul(1_000)))
            }),
            By::Ranges(ranges) => {
                let found = answer.map(serde_json::from_value::<Ranges>).transpose()?;
                let count = |n: usize| found.as_ref()?.buckets.get(&n.to_string()).map(|bucket| bucket.doc_count);
                let bucket = |(n, range): (usize, &super::Range)| FacetBucket {
                    value: FacetValue::Range(range.clone()),
                    count: count(n).unwrap_or(0),
                };
                Ok(FacetCounts { buckets: ranges.iter().enumerate().map(bucket).collect(), ..FacetCounts::default() })
            }
        }
    }
}

fn counted<K: for<'de> Deserialize<'de>>(
    answer: Option<Value>,
    value: impl Fn(K, Option<String>) -> FacetValue,
) -> Result<FacetCounts, serde_json::Error> {
    let Some(answer) = answer else { return Ok(FacetCounts::default()) };
    let found = serde_json::from_value::<Counted<K>>(answer)?;
    let bucket =
        |Bucket { key, key_as_string, doc_count }| FacetBucket { value: value(key, key_as_string), count: doc_count };
    Ok(FacetCounts {
        buckets: found.buckets.into_iter().map(bucket).collect(),
        others: found.sum_other_doc_count,
        error: found.doc_count_error_upper_bound,
    })
}
