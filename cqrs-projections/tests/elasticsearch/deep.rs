//! From page to page through everything.

use std::collections::HashSet;

use cqrs_core::{Generation, Partitions, ReadModel};
use cqrs_projections::{ElasticSearch, Facet, Field, Mapping, Order, Refresh, SearchCursor, SearchError, SearchQuery};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::http::serve;
use crate::place::{Place, batch, put, remove};

fn mapping() -> Mapping {
    Mapping::new()
        .field("title", Field::text())
        .field("code", Field::keyword())
        .field("price", Field::long())
        .field("rating", Field::double())
        .field("at", Field::date())
        .shards(3)
        .replicas(0)
}

async fn place() -> (Place, Generation, ElasticSearch<Value>) {
    let place = Place::with(mapping()).await;
    let live = place.open().await;
    let search = place.model.search("catalogue").unwrap();
    (place, live, search)
}

/// Twelve documents with many equal values and some without any.
async fn dozen() -> (Place, Generation, ElasticSearch<Value>) {
    let (place, live, search) = place().await;
    let document = |n: u64| match n {
        7 | 8 => json!({ "code": format!("{n:02}"), "title": "rust" }),
        n => json!({
            "code": format!("{n:02}"), "title": "rust ".repeat(1 + n as usize % 3), "price": n % 2,
            "rating": (n % 4) as f64 / 3.0, "at": format!("2024-01-01T00:00:00.{:03}Z", n % 3),
        }),
    };
    let writes = (1..=12).map(|n| put(&format!("d{n}"), n, &document(n).to_string())).collect();
    place.write(live, 0, 12, writes).await.unwrap();
    (place, live, search)
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_ten_thousand_are_each_found_once_and_in_order_while_they_change() {
    const ALL: u64 = 10_500;
    let (place, live, search) = place().await;
    let document = |n: u64, price: u64| {
        put(&format!("d{n}"), n.max(price), &json!({ "price": price % 7, "code": format!("{n}") }).to_string())
    };
    place.write(live, 0, ALL, (1..=ALL).map(|n| document(n, n)).collect()).await.unwrap();
    let query = SearchQuery::new().sort("price", Order::Descending).limit(2_000);

    let mut hits = search.stream(&query);
    let (mut seen, mut prices) = (HashSet::new(), Vec::new());
    let mut position = ALL;
    while let Some(hit) = hits.try_next().await.unwrap() {
        prices.push(hit.document["price"].as_u64().unwrap());
        assert!(hit.position.get() <= ALL && seen.insert(hit.id.clone()), "{hit:?}");
        if seen.len() % 2_000 == 1 {
            // Among those that were found, those that were not yet, and new ones.
            let mut changes: Vec<_> = (1..=300).map(|n| remove(&format!("d{}", n * 35), position + 1)).collect();
            changes.extend((1..=300).map(|n| document(n * 35 - 1, position + n)));
            changes.extend((1..=300).map(|n| document(position + n, position + n)));
            place.write(live, position, position + 300, changes).await.unwrap();
            position += 300;
        }
    }
    assert_eq!(seen, (1..=ALL).map(|n| format!("d{n}")).collect());
    assert!(prices.is_sorted_by(|one, next| one >= next));

    let now = search.page(&SearchQuery::new().no_hits()).await.unwrap().total;
    assert_eq!(search.stream(&SearchQuery::new()).try_collect::<Vec<_>>().await.unwrap().len() as u64, now);
    assert_eq!(now, ALL - 300 + (position - ALL));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_order_gives_the_same_on_many_pages_as_on_one() {
    let (_place, _, search) = dozen().await;
    for (field, order) in [
        ("price", Order::Ascending),
        ("price", Order::Descending),
        ("rating", Order::Ascending),
        ("rating", Order::Descending),
        ("at", Order::Ascending),
        ("at", Order::Descending),
        ("code", Order::Descending),
        ("_score", Order::Descending),
    ] {
        let query = SearchQuery::new().keyword("rust", ["title"]).sort(field, order).sort("code", Order::Ascending);
        let at_once = search.page(&query.clone().limit(100)).await.unwrap();
        let ids = |hits: Vec<cqrs_projections::Hit<Value>>| hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>();
        let expected = ids(at_once.hits);
        assert_eq!(expected.len(), 12);
        for limit in [1, 5, 12] {
            let all: Vec<_> = search.stream(&query.clone().limit(limit)).try_collect().await.unwrap();
            assert_eq!(ids(all), expected, "{field} {order:?} by {limit}");
        }
    }
    // Without an order: the best first.
    let best: Vec<_> =
        search.stream(&SearchQuery::new().keyword("rust", ["title"]).limit(5)).try_collect().await.unwrap();
    assert!(best.len() == 12 && best.is_sorted_by(|one, next| one.score >= next.score));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_elsewhere_and_knows_its_query() {
    let (place, live, search) = dozen().await;
    let query = SearchQuery::new().sort("code", Order::Ascending).facet("prices", Facet::terms("price", 5)).limit(5);
    let first = search.deep_page(&query, None).await.unwrap();
    assert_eq!((first.total, first.hits.len(), first.facets["prices"].buckets.len()), (12, 5, 2));
    place.write(live, 12, 13, vec![put("d13", 13, "{\"code\":\"13\"}")]).await.unwrap();

    let text = first.next.unwrap().to_string();
    let elsewhere = place.by_way_of(&crate::place::url()).mapping(mapping()).search::<Value>("catalogue").unwrap();
    let cursor: SearchCursor = text.parse().unwrap();
    let second = elsewhere.deep_page(&query, Some(&cursor)).await.unwrap();
    assert_eq!((second.total, second.hits.len(), second.facets.len()), (12, 5, 0));
    assert_eq!(second.hits[0].id, "d6");
    // The same page again: an answer may have been lost.
    assert_eq!(elsewhere.deep_page(&query, Some(&cursor)).await.unwrap().hits, second.hits);

    let other = elsewhere.deep_page(&query.clone().term("price", 1), second.next.as_ref()).await.unwrap_err();
    assert_eq!(other.to_string(), "the cursor belongs to another query");
    let last = elsewhere.deep_page(&query, second.next.as_ref()).await.unwrap();
    assert_eq!((last.hits.len(), last.next), (2, None));
    assert_eq!(search.page(&query).await.unwrap().total, 13);

    // The last page has closed it.
    let after = elsewhere.deep_page(&query, second.next.as_ref()).await.unwrap_err();
    assert!(matches!(after, SearchError::Expired), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_was_closed_or_forged_is_told_apart_from_a_failure() {
    let (_place, _, search) = dozen().await;
    let query = SearchQuery::new().limit(5);
    let cursor = search.deep_page(&query, None).await.unwrap().next.unwrap();
    search.close(cursor.clone()).await.unwrap();
    search.close(cursor.clone()).await.unwrap();
    let refused = search.deep_page(&query, Some(&cursor)).await.unwrap_err();
    assert!(matches!(refused, SearchError::Expired) && !refused.is_transient(), "{refused:?}");

    let mut forged: Value = serde_json::from_str(&cursor.to_string()).unwrap();
    forged["pit"] = json!("forged");
    let forged = forged.to_string().parse().unwrap();
    let refused = search.deep_page(&query, Some(&forged)).await.unwrap_err();
    assert!(matches!(refused, SearchError::Refused(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_does_not_disturb_a_stream_and_dropping_its_generation_ends_it_with_an_error() {
    let (place, live, search) = dozen().await;
    let query = SearchQuery::new().limit(4);
    let mut hits = search.stream(&query);
    hits.try_next().await.unwrap().unwrap();
    let next = place.model.begin(&place.projection, Partitions::ONE).await.unwrap();
    place.write(next, 0, 1, vec![put("new", 1, "{}")]).await.unwrap();
    place.model.swap(&place.projection, next).await.unwrap();
    assert_eq!(search.page(&query).await.unwrap().total, 1);
    for _ in 0..4 {
        assert_ne!(hits.try_next().await.unwrap().unwrap().id, "new");
    }
    place.model.drop_generation(&place.projection, live).await.unwrap();
    let left: Vec<_> = hits.collect().await;
    let (last, before) = left.split_last().unwrap();
    assert!(before.iter().all(Result::is_ok) && before.len() == 3, "{left:?}");
    assert!(matches!(last, Err(SearchError::Expired)), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_dropped_closes_what_it_went_on_with() {
    let (place, ..) = dozen().await;
    let (closed, mut closes) = tokio::sync::mpsc::unbounded_channel();
    let url = serve(move |request| {
        let answer = request.pass();
        if request.path.starts_with("/_pit") {
            closed.send(answer.body.clone()).unwrap();
        }
        answer
    });
    let search = place.by_way_of(&url).mapping(mapping()).search::<Value>("catalogue").unwrap();
    let mut hits = search.stream(&SearchQuery::new().limit(5));
    hits.try_next().await.unwrap().unwrap();
    assert!(closes.try_recv().is_err());
    drop(hits);
    assert!(closes.recv().await.unwrap().contains("\"succeeded\":true"));

    // One that came to its end has closed it already, once.
    assert_eq!(search.stream(&SearchQuery::new().limit(5)).count().await, 12);
    assert!(closes.recv().await.unwrap().contains("\"succeeded\":true"));
    assert!(closes.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_where_nothing_was_opened_or_written() {
    let place = Place::with(mapping()).await;
    let search = place.model.search::<Value>("catalogue").unwrap();
    let page = search.deep_page(&SearchQuery::new(), None).await.unwrap();
    assert!(page.hits.is_empty() && page.total == 0 && page.next.is_none());
    let live = place.open().await;
    assert_eq!(search.stream(&SearchQuery::new()).count().await, 0);

    // And written without a refresh: not found before there is one.
    let quick = place.model.clone().refresh(Refresh::None);
    quick.apply(&place.target(live), batch(live, 0, 1, 1, vec![put("a", 1, "{}")])).await.unwrap();
    place.model.refresh_now(&place.projection).await.unwrap();
    assert_eq!(search.stream(&SearchQuery::new()).count().await, 1);
}
