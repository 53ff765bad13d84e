//! Counting what was found.

use std::time::Duration;

use cqrs_core::DocumentWrite;
use cqrs_projections::{
    CalendarUnit, DateInterval, ElasticSearch, Facet, FacetCounts, FacetValue, Field, Mapping, SearchQuery,
};
use serde_json::{Value, json};

use crate::place::{Place, put};

async fn with(mapping: Mapping, documents: impl IntoIterator<Item = Value>) -> (Place, ElasticSearch<Value>) {
    let place = Place::with(mapping.replicas(0)).await;
    let live = place.open().await;
    let writes: Vec<DocumentWrite> =
        (1..).zip(documents).map(|(n, document)| put(&format!("d{n}"), n, &document.to_string())).collect();
    place.write(live, 0, 10_000, writes).await.unwrap();
    let search = place.model.search("catalogue").unwrap();
    (place, search)
}

async fn count(search: &ElasticSearch<Value>, facet: Facet) -> FacetCounts {
    let page = search.page(&SearchQuery::new().facet("any [name] > here", facet).no_hits()).await.unwrap();
    page.facets["any [name] > here"].clone()
}

fn told(counts: &FacetCounts) -> Vec<(String, u64)> {
    let told = |value: &FacetValue| match value {
        FacetValue::Term(term) => term.clone(),
        FacetValue::From(number) => number.to_string(),
        FacetValue::Since(moment) => moment.to_string(),
        other => format!("{other:?}"),
    };
    counts.buckets.iter().map(|bucket| (told(&bucket.value), bucket.count)).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_counted_by_intervals_without_empty_ones() {
    let fields = Mapping::new().field("price", Field::long()).field("rating", Field::double());
    let prices = [0, 99, 100, 199, 1_000_000_050]
        .map(|price| json!({ "price": price, "rating": f64::from(price) / 100.0 - 0.5 }));
    let (_place, search) = with(fields.shards(1), prices).await;
    let counts = count(&search, Facet::histogram("price", 100)).await;
    assert_eq!(told(&counts), pairs(&[("0", 2), ("100", 2), ("1000000000", 1)]));
    let counts = count(&search, Facet::histogram("rating", 0.5)).await;
    assert_eq!(told(&counts)[..3], pairs(&[("-0.5", 1), ("0", 1), ("0.5", 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_counted_by_the_calendar_of_a_place_or_by_equal_intervals() {
    let moments =
        ["2024-01-31T16:59:59.999Z", "2024-01-31T17:00:00Z", "2024-02-29T12:00:00+07:00", "2024-12-30T00:00:00Z"];
    let fields = Mapping::new().field("at", Field::date()).shards(1);
    let (_place, search) = with(fields, moments.map(|at| json!({ "at": at }))).await;
    let months = DateInterval::calendar(CalendarUnit::Month);
    let in_utc = [("2024-01-01T00:00:00Z", 2), ("2024-02-01T00:00:00Z", 1), ("2024-12-01T00:00:00Z", 1)];
    assert_eq!(told(&count(&search, Facet::dates("at", months.clone())).await), pairs(&in_utc));
    let in_hanoi = [("2023-12-31T17:00:00Z", 1), ("2024-01-31T17:00:00Z", 2), ("2024-11-30T17:00:00Z", 1)];
    let months = months.time_zone("Asia/Ho_Chi_Minh");
    assert_eq!(told(&count(&search, Facet::dates("at", months)).await), pairs(&in_hanoi));
    for (unit, first) in [
        (CalendarUnit::Minute, "2024-01-31T16:59:00Z"),
        (CalendarUnit::Hour, "2024-01-31T16:00:00Z"),
        (CalendarUnit::Day, "2024-01-31T00:00:00Z"),
        (CalendarUnit::Week, "2024-01-29T00:00:00Z"),
        (CalendarUnit::Quarter, "2024-01-01T00:00:00Z"),
        (CalendarUnit::Year, "2024-01-01T00:00:00Z"),
    ] {
        let counts = count(&search, Facet::dates("at", DateInterval::calendar(unit))).await;
        assert_eq!(told(&counts)[0].0, first, "{unit:?}");
    }
    let half_hours = DateInterval::fixed(Duration::from_secs(1_800));
    let counts = count(&search, Facet::dates("at", half_hours)).await;
    assert_eq!(told(&counts)[..2], pairs(&[("2024-01-31T16:30:00Z", 1), ("2024-01-31T17:00:00Z", 1)]));
    let below = Facet::dates("at", DateInterval::fixed(Duration::from_micros(999)));
    let refused = search.page(&SearchQuery::new().facet("f", below)).await.unwrap_err();
    assert_eq!(refused.to_string(), "the facet \"f\" has an interval below a millisecond");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_left_out_are_counted_and_counts_that_may_be_too_low_say_so() {
    // Value n is in n documents.
    let values = (1..=60).flat_map(|n| vec![json!({ "tag": format!("t{n}"), "even": n % 2 == 0 }); n]);
    let documents: Vec<_> = values.collect();
    let fields = Mapping::new().field("tag", Field::keyword()).field("even", Field::boolean());
    let (_place, search) = with(fields.shards(3), documents.clone()).await;

    let all = count(&search, Facet::terms("tag", 100)).await;
    assert_eq!((all.buckets.len(), all.others, all.error), (60, 0, 0));
    assert_eq!(told(&all)[..2], pairs(&[("t60", 60), ("t59", 59)]));

    let some = count(&search, Facet::terms("tag", 2)).await;
    assert_eq!(some.buckets.len(), 2);
    assert_eq!(some.others + some.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), documents.len() as u64);
    assert!(some.error > 0);
    let even = (2..=60).step_by(2).sum::<u64>();
    let odd = documents.len() as u64 - even;
    assert_eq!(told(&count(&search, Facet::terms("even", 5)).await), pairs(&[("true", even), ("false", odd)]));
}
