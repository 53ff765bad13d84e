//! What lies beside the documents in an index: found by no search.

use std::sync::{Arc, Mutex};

use ::elasticsearch::http::Method;
use cqrs_core::{ReadModel, ReadModelError, lookup_key};
use cqrs_projections::{CalendarUnit, DateInterval, Facet, Field, Highlight, Mapping, Order, Range, SearchQuery};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::http::serve;
use crate::place::{Place, batch, put, remove};

/// A document, a tombstone, a lookup, and something hidden that has all fields that a document has.
async fn place() -> Place {
    let fields = Mapping::new()
        .field("title", Field::text())
        .field("category", Field::keyword())
        .field("price", Field::long())
        .field("at", Field::date())
        .shards(3)
        .replicas(0);
    let place = Place::with(fields).await;
    let live = place.open().await;
    let document = json!({ "title": "rust", "category": "data", "price": 5, "at": "2024-01-01T00:00:00Z" });
    let text = document.to_string();
    place.write(live, 0, 2, vec![put("shown", 1, &text), put("gone", 2, &text)]).await.unwrap();
    let lookup = put(&lookup_key("rust"), 3, &text);
    place.write(live, 2, 3, vec![remove("gone", 3), lookup]).await.unwrap();
    let mut hidden = document;
    hidden["cqrs_removed"] = json!(true);
    let lines = format!("{{\"index\":{{\"_id\":\"\\u0001hidden\"}}}}\n{hidden}\n");
    let written = place.send(Method::Post, &format!("catalogue.g{live}.write/_bulk?refresh=true"), lines).await;
    assert_eq!(written["errors"], false, "{written}");
    place
}

fn query() -> SearchQuery {
    SearchQuery::new()
        .facet("category", Facet::terms("category", 10))
        .facet("ranges", Facet::ranges("price", [Range::at_least(0)]))
        .facet("histogram", Facet::histogram("price", 10))
        .facet("dates", Facet::dates("at", DateInterval::calendar(CalendarUnit::Day)))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_facets_leave_out_what_is_hidden() {
    let place = place().await;
    let search = place.model.search::<Value>("catalogue").unwrap();
    for query in [
        query(),
        query().keyword("rust", ["title"]).highlight(Highlight::html(["title"])),
        query().term("category", "data").sort("price", Order::Ascending),
        query().clause(json!({ "exists": { "field": "title" } })),
        query().clause(json!({ "bool": { "should": [{ "match_all": {} }, { "term": { "cqrs_removed": true } }] } })),
    ] {
        let page = search.page(&query).await.unwrap();
        assert_eq!((page.total, page.hits.len(), &*page.hits[0].id), (1, 1, "shown"));
        for (name, counts) in page.facets {
            assert!(counts.buckets.len() == 1 && counts.buckets[0].count == 1, "{name}: {counts:?}");
        }
    }
    let hidden = SearchQuery::new().clause(json!({ "term": { "cqrs_removed": true } }));
    assert_eq!(search.page(&hidden).await.unwrap().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_pages_and_streams_leave_out_what_is_hidden() {
    let place = place().await;
    let search = place.model.search::<Value>("catalogue").unwrap();
    let page = search.deep_page(&query().limit(1), None).await.unwrap();
    assert_eq!((page.total, &*page.hits[0].id), (1, "shown"));
    assert!(page.facets.values().all(|counts| counts.buckets[0].count == 1), "{:?}", page.facets);
    let last = search.deep_page(&query().limit(1), page.next.as_ref()).await.unwrap();
    assert!(last.hits.is_empty() && last.next.is_none());
    let all: Vec<_> = search.stream(&SearchQuery::new()).try_collect().await.unwrap();
    assert_eq!(all.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), ["shown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_searches_leave_out_what_is_hidden() {
    let place = place().await;
    let search = place.model.search::<Value>("catalogue").unwrap();
    let categories = json!({ "terms": { "field": "category" } });
    for query in [
        json!({ "match_all": {} }),
        json!({ "ids": { "values": ["shown", "gone", "\u{1}hidden", lookup_key("rust")] } }),
        json!({ "bool": { "should": [{ "term": { "cqrs_removed": true } }, { "exists": { "field": "price" } }] } }),
    ] {
        let body = json!({
            "query": query,
            "aggs": {
                "categories": categories,
                // Over all documents, whatever the query.
                "all": { "global": {}, "aggs": { "categories": categories } },
                "filtered": { "filter": { "term": { "cqrs_removed": true } } },
            },
        });
        let answer = search.raw(&body).await.unwrap();
        assert_eq!(answer["hits"]["total"]["value"], 1);
        assert_eq!(answer["hits"]["hits"][0]["_id"], "shown");
        let (aggregations, one) = (&answer["aggregations"], json!([{ "key": "data", "doc_count": 1 }]));
        assert_eq!(aggregations["categories"]["buckets"], one);
        assert_eq!(
            (&aggregations["all"]["doc_count"], &aggregations["all"]["categories"]["buckets"]),
            (&json!(1), &one)
        );
        assert_eq!(aggregations["filtered"]["doc_count"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_are_written_when_all_documents_are_and_come_back_byte_for_byte() {
    let place = Place::new().await;
    let live = place.open().await;
    let target = place.target(live);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let url = serve(move |request| {
        if request.is_bulk() {
            seen.lock().unwrap().push(request.ids().join(" "));
        }
        request.pass()
    });
    let model = place.by_way_of(&url);
    // Longer than a keyword that is indexed may be.
    let long = format!("{{ \"price\": \"none\",\n\"long\": \"{}\"}}", "ü".repeat(50_000));
    let (one, other) = (lookup_key("a"), lookup_key("b"));
    let with = |price: &str| {
        vec![
            put(&one, 1, &long),
            put("c", 2, &format!("{{\"price\":{price}}}")),
            put(&other, 2, "[1]"),
            put("d", 2, "{}"),
        ]
    };

    let refused = model.apply(&target, batch(live, 0, 2, 1, with("\"cheap\""))).await.unwrap_err();
    assert!(matches!(&refused, ReadModelError::Rejected { key, .. } if key == "c"), "{refused:?}");
    assert_eq!(place.load(live, &[&one, &other, "c"]).await, [None, None, None]);

    model.apply(&target, batch(live, 0, 2, 1, with("5"))).await.unwrap();
    assert_eq!(*sent.lock().unwrap(), ["c d".to_owned(), "c d".to_owned(), format!("{one} {other}")]);
    let kept = |text: &str, position| Some((Some(text.to_owned()), position));
    assert_eq!(place.load(live, &[&one, &other]).await, [kept(&long, 1), kept("[1]", 2)]);
    assert_eq!(place.position(live).await, 2);
}
