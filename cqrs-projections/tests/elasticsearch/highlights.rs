//! Where the words were found.

use cqrs_projections::{Field, Highlight, Hit, Mapping, SearchQuery};
use serde_json::{Value, json};

use crate::place::{Place, put};

async fn found(documents: &[Value], query: &SearchQuery) -> Vec<Hit<Value>> {
    let fields = Mapping::new().field("title", Field::text()).field("note", Field::text()).shards(1).replicas(0);
    let place = Place::with(fields).await;
    let live = place.open().await;
    let writes = (1..).zip(documents).map(|(n, document)| put(&format!("d{n}"), n, &document.to_string())).collect();
    place.write(live, 0, 100, writes).await.unwrap();
    place.model.search("catalogue").unwrap().page(query).await.unwrap().hits
}

const FIELDS: [&str; 2] = ["title", "note"];

#[tokio::test(flavor = "multi_thread")]
async fn words_are_marked_in_html_that_is_safe_to_show() {
    let documents = [json!({ "title": "Rust & <script>alert('rust')</script>", "note": "nothing" })];
    let query = SearchQuery::new().keyword("rsut", FIELDS).highlight(Highlight::html(FIELDS));
    let hits = found(&documents, &query).await;
    assert_eq!(hits[0].highlights.keys().collect::<Vec<_>>(), ["title"]);
    let title = &hits[0].highlights["title"][0];
    assert!(title.starts_with("<em>Rust</em> &amp; &lt;script&gt;alert(") && !title.contains("<script"), "{title}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_around_the_words_or_whole_fields_are_shown() {
    let filler = "word ".repeat(100);
    let note = format!("Rust here. {filler}. And rust there. {filler}. More rust.");
    let documents = [json!({ "title": "Of <Rust>", "note": note })];
    let query = SearchQuery::new().keyword("rust", FIELDS);
    let marked = |highlight: Highlight| query.clone().highlight(highlight);

    let hits = found(&documents, &marked(Highlight::text(["note"], "[", "]").pieces(2, 40))).await;
    let pieces = &hits[0].highlights["note"];
    assert!(pieces.len() == 2 && pieces.iter().all(|piece| piece.contains("ust]") && piece.len() < 100), "{pieces:?}");

    let hits = found(&documents, &marked(Highlight::text(FIELDS, "[", "]").whole())).await;
    assert_eq!(hits[0].highlights["title"], ["Of <[Rust]>"]);
    assert_eq!(hits[0].highlights["note"], [note.replace("Rust", "[Rust]").replace("rust", "[rust]")]);

    assert!(found(&documents, &query).await[0].highlights.is_empty());
    let all = SearchQuery::new().highlight(Highlight::html(FIELDS));
    assert!(found(&documents, &all).await[0].highlights.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_very_long_text_does_not_fail_the_search() {
    let long = format!("rust {}", "word ".repeat(300_000));
    let query = SearchQuery::new().keyword("rust", FIELDS).highlight(Highlight::html(FIELDS));
    let hits = found(&[json!({ "title": "x", "note": long })], &query).await;
    assert!(hits[0].highlights["note"][0].starts_with("<em>rust</em> word"), "{:?}", hits[0].highlights);
}
