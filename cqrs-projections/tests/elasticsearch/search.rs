//! Searching a catalogue of courses.

use ::elasticsearch::http::transport::Transport;
use cqrs_core::{Generation, GlobalPosition, ReadModel, ReadModelError, Target};
use cqrs_projections::{
    CalendarUnit, DateInterval, ElasticReadModel, ElasticSearch, Facet, FacetValue, Field, Fuzziness, Mapping, Order,
    Range, SearchError, SearchPage, SearchQuery,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::place::{Place, put, remove};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Course {
    title: String,
    description: String,
    tags: Vec<String>,
    category: String,
    price: i64,
    rating: f64,
    students: u32,
    updated: String,
}

fn course(title: &str, description: &str, category: &str, price: i64, rating: f64, students: u32) -> Course {
    let tags = vec![category.to_owned()];
    let updated = format!("2024-01-{:02}T10:00:00Z", 1 + students % 28);
    Course {
        title: title.into(),
        description: description.into(),
        tags,
        category: category.into(),
        price,
        rating,
        students,
        updated,
    }
}

fn mapping() -> Mapping {
    Mapping::new()
        .field("title", Field::text().also("raw", Field::keyword()))
        .field("description", Field::text())
        .field("tags", Field::text())
        .field("category", Field::keyword())
        .field("price", Field::long())
        .field("rating", Field::double())
        .field("students", Field::integer())
        .field("updated", Field::date())
        .shards(1)
        .replicas(0)
}

/// Six courses, one of them removed, around the edges of the price ranges.
async fn catalogue() -> (Place, Generation, ElasticSearch<Course>) {
    let place = Place::with(mapping()).await;
    let live = place.open().await;
    let courses = [
        course("Rust from scratch", "Ownership and borrowing", "programming", 499_999, 4.8, 120),
        course("Databases", "Postgres from within, with Rust clients", "data", 500_000, 4.8, 300),
        course("Watercolours", "Light and paper", "art", 999_999, 4.1, 15),
        course("Elasticsearch in depth", "Search and facets", "data", 1_000_000, 4.5, 80),
        course("Kafka", "Streams of events", "data", 2_000_000, 3.9, 40),
    ];
    let mut writes: Vec<_> =
        (1..).zip(&courses).map(|(n, course)| put(&format!("c{n}"), n, &json!(course).to_string())).collect();
    writes.push(put("gone", 6, &json!(courses[0]).to_string()));
    place.write(live, 0, 6, writes).await.unwrap();
    place.write(live, 6, 7, vec![remove("gone", 7)]).await.unwrap();
    let search = place.model.search("catalogue").unwrap();
    (place, live, search)
}

fn ids(page: &SearchPage<Course>) -> Vec<&str> {
    page.hits.iter().map(|hit| hit.id.as_str()).collect()
}

async fn found(search: &ElasticSearch<Course>, query: SearchQuery) -> Vec<String> {
    let mut found: Vec<_> = search.page(&query).await.unwrap().hits.into_iter().map(|hit| hit.id).collect();
    found.sort();
    found
}

const FIELDS: [&str; 3] = ["title^3", "description", "tags"];

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_several_fields_with_mistakes_and_the_title_counts_most() {
    let (_place, _, search) = catalogue().await;
    let page = search.page(&SearchQuery::new().keyword("rust", FIELDS)).await.unwrap();
    assert_eq!((ids(&page), page.total), (vec!["c1", "c2"], 2));
    assert!(page.hits[0].score > page.hits[1].score && page.hits[1].score > Some(0.0));
    assert_eq!(page.hits[0].position, GlobalPosition::new(1));
    assert_eq!(
        page.hits[0].document,
        course("Rust from scratch", "Ownership and borrowing", "programming", 499_999, 4.8, 120)
    );

    assert_eq!(found(&search, SearchQuery::new().keyword("elastcisearch", FIELDS)).await, ["c4"]);
    assert_eq!(found(&search, SearchQuery::new().keyword("Watercolors", FIELDS)).await, ["c3"]);
    assert_eq!(found(&search, SearchQuery::new().keyword("data", ["tags"])).await, ["c2", "c4", "c5"]);
    assert!(found(&search, SearchQuery::new().keyword("gardening", FIELDS)).await.is_empty());
    assert_eq!(found(&search, SearchQuery::new().keyword("", FIELDS)).await.len(), 5);
    let phrase = json!({ "match_phrase": { "description": "search and" } });
    assert_eq!(found(&search, SearchQuery::new().clause(phrase)).await, ["c4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_all_together() {
    let (_place, _, search) = catalogue().await;
    let all = SearchQuery::new;
    assert_eq!(found(&search, all().term("category", "data")).await, ["c2", "c4", "c5"]);
    assert_eq!(found(&search, all().terms("category", ["art", "programming"])).await, ["c1", "c3"]);
    assert_eq!(found(&search, all().term("title.raw", "Kafka")).await, ["c5"]);
    assert_eq!(found(&search, all().range("price", Range::below(500_000))).await, ["c1"]);
    assert_eq!(found(&search, all().range("price", Range::between(500_000, 1_000_000))).await, ["c2", "c3"]);
    assert_eq!(found(&search, all().at_most("price", 500_000)).await, ["c1", "c2"]);
    assert_eq!(found(&search, all().at_least("rating", 4.5).term("category", "data")).await, ["c2", "c4"]);
    let day = Range::between("2024-01-09T10:00:00Z", "2024-01-16T10:00:00Z");
    assert_eq!(found(&search, all().range("updated", day)).await, ["c1", "c5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn facets_count_what_was_found_at_the_very_edges() {
    let (_place, _, search) = catalogue().await;
    let ranges = [Range::below(500_000), Range::between(500_000, 1_000_000), Range::at_least(1_000_000)];
    let query = SearchQuery::new()
        .facet("category", Facet::terms("category", 10))
        .facet("price", Facet::ranges("price", ranges.clone()))
        .facet("week", Facet::ranges("updated", [Range::below("2024-01-16T10:00:00Z")]))
        .no_hits();

    let page = search.page(&query).await.unwrap();

    assert_eq!((page.total, page.hits.len()), (5, 0));
    let counts = |name: &str| page.facets[name].buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>();
    assert_eq!((counts("price"), counts("category")), (vec![1, 2, 2], vec![3, 1, 1]));
    assert_eq!(page.facets["category"].buckets[0].value, FacetValue::Term("data".to_owned()));
    assert_eq!(page.facets["price"].buckets[1].value, FacetValue::Range(ranges[1].clone()));
    assert_eq!(counts("week"), [2]);

    let page = search.page(&query.term("category", "data")).await.unwrap();
    assert_eq!(page.facets["price"].buckets.iter().map(|bucket| bucket.count).collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_are_sorted_by_rating_then_students_and_cut_into_pages() {
    let (_place, _, search) = catalogue().await;
    let query = SearchQuery::new().sort("rating", Order::Descending).sort("students", Order::Descending).limit(2);
    let mut pages = Vec::new();
    for page in 1..=4 {
        let page = search.page(&query.clone().page(page)).await.unwrap();
        assert_eq!(page.total, 5);
        pages.push(ids(&page).join(" "));
    }
    assert_eq!(pages, ["c2 c1", "c4 c3", "c5", ""]);
    let cheapest = SearchQuery::new().keyword("data", FIELDS).sort("price", Order::Ascending).limit(1);
    let page = search.page(&cheapest).await.unwrap();
    assert_eq!(ids(&page), ["c2"]);
    assert!(page.hits[0].score.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_as_alike_as_asked_for() {
    let (_place, _, search) = catalogue().await;
    for (word, fuzziness, expected) in [
        ("kafak", Fuzziness::Auto, vec!["c5"]),
        ("kafak", Fuzziness::One, vec!["c5"]),
        ("kafak", Fuzziness::Exact, vec![]),
        ("kafka", Fuzziness::Exact, vec!["c5"]),
        ("kfk", Fuzziness::Auto, vec![]),
        ("kfk", Fuzziness::Two, vec!["c5"]),
    ] {
        let query = SearchQuery::new().keyword(word, ["title"]).fuzziness(fuzziness);
        assert_eq!(found(&search, query).await, expected, "{word} {fuzziness:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_at_fault_is_refused_before_it_is_sent() {
    // Nobody is there: whatever is sent fails otherwise.
    let nowhere = ElasticReadModel::new(Transport::single_node("http://127.0.0.1:1").unwrap()).mapping(mapping());
    let search = nowhere.search::<Course>("catalogue").unwrap();
    let query = SearchQuery::new;
    for (query, reason) in [
        (query().term("prise", 1), "the mapping declares no field \"prise\""),
        (query().page(0), "pages count from 1"),
        (query().limit(0), "a page has at least one hit: for facets and the total alone, ask for no hits"),
        (
            query().page(11).limit(1_000),
            "page 11 of 1000 hits each lies beyond the first 10000 hits: go there with a cursor",
        ),
        (
            query().range("price", Range::below("cheap")),
            "the field \"price\" cannot be compared with \"cheap\", which is not a number",
        ),
        (query().range("price", Range::between(5, 1)), "the range of \"price\" from 5 to 1 ends before it begins"),
        (
            query().sort("title", Order::Ascending),
            "the field \"title\" is text, which cannot be sorted by: \"title.raw\" can",
        ),
        (
            query().term("title", "Kafka"),
            "the field \"title\" is text, which cannot be compared with a value: \"title.raw\" can",
        ),
        (
            query().facet("f", Facet::terms("description", 3)),
            "the field \"description\" is text, which cannot be counted by its values",
        ),
    ] {
        let error = search.page(&query).await.unwrap_err();
        assert!(matches!(error, SearchError::Invalid(_)), "{error:?}");
        assert_eq!(error.to_string(), reason);
    }
    let sent = search.page(&query()).await.unwrap_err();
    assert!(sent.is_transient(), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_server_can_find_out_is_told_with_its_reason() {
    let (place, _, search) = catalogue().await;
    let unchecked = place.model.clone().mapping(Mapping::new()).search::<Course>("catalogue").unwrap();
    let query = SearchQuery::new;
    let zone = DateInterval::calendar(CalendarUnit::Day).time_zone("Nowhere");
    for (search, query, reason) in [
        (&search, query().clause(json!({ "mtach": {} })), "[mtach]"),
        (&search, query().range("updated", Range::below("yesterday")), "failed to parse date field [yesterday]"),
        (&search, query().facet("f", Facet::dates("updated", zone)), "Nowhere"),
        (&unchecked, query().sort("prise", Order::Ascending), "No mapping found for [prise]"),
        (&unchecked, query().sort("title", Order::Ascending), "Fielddata is disabled on [title]"),
    ] {
        let error = search.page(&query).await.unwrap_err();
        let SearchError::Refused(cause) = error else { panic!("{error:?}") };
        assert!(cause.to_string().contains(reason), "{cause} instead of {reason}");
    }
    let error = search.raw(&json!({ "qurey": {} })).await.unwrap_err();
    assert!(matches!(error, SearchError::Refused(_)), "{error:?}");
    let last = query().page(10).limit(1_000);
    assert_eq!(search.page(&last).await.unwrap().total, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_all_partitions_are_found_under_their_keys() {
    let (place, live, search) = catalogue().await;
    let target = Target { partition: 7, ..place.target(live) };
    let document = json!(course("Gardening", "", "art", 1, 1.0, 1)).to_string();
    let batch = crate::place::batch(live, 0, 9, 1, vec![put("c9", 9, &document)]);
    place.model.apply(&target, batch).await.unwrap();
    assert_eq!(found(&search, SearchQuery::new().term("category", "art")).await, ["c3", "c9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_that_is_of_another_type_is_named() {
    let (place, live, search) = catalogue().await;
    place.write(live, 7, 8, vec![put("odd", 8, "{\"title\":\"odd\"}")]).await.unwrap();
    let error = search.page(&SearchQuery::new()).await.unwrap_err();
    assert!(
        matches!(&error, SearchError::ReadModel(ReadModelError::Corrupt { what }) if what.contains("\"odd\"")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_that_was_never_opened_has_no_hits() {
    let place = Place::with(mapping()).await;
    let query = SearchQuery::new()
        .facet("category", Facet::terms("category", 10))
        .facet("price", Facet::ranges("price", [Range::below(5)]));
    let page = place.model.search::<Course>("catalogue").unwrap().page(&query).await.unwrap();
    assert_eq!((page.total, page.hits.len(), page.facets["category"].buckets.len()), (0, 0, 0));
    assert_eq!(page.facets["price"].buckets[0].count, 0);
    place.model.refresh_now(&place.projection).await.unwrap();
    assert!(place.indices().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_without_refresh_is_found_after_one() {
    let (place, live, search) = catalogue().await;
    let quick = place.model.clone().refresh(cqrs_projections::Refresh::None);
    let target = place.target(live);
    let document = json!(course("New", "", "art", 1, 1.0, 1)).to_string();
    let batch = crate::place::batch(live, 7, 8, 1, vec![put("new", 8, &document)]);
    quick.apply(&target, batch).await.unwrap();
    quick.refresh_now(&place.projection).await.unwrap();
    assert_eq!(found(&search, SearchQuery::new().keyword("new", FIELDS)).await, ["new"]);

    let raw = search.raw(&json!({ "size": 0, "aggs": { "most": { "max": { "field": "price" } } } })).await.unwrap();
    assert_eq!(raw["aggregations"]["most"]["value"], 2_000_000.0);
}
