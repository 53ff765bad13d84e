//! Documents, checkpoints, and who may write them.

use ::elasticsearch::http::Method;
use cqrs_core::{FencingToken, GlobalPosition, ReadModel, ReadModelError};

use crate::place::{Place, batch, put, remove};

fn kept(document: &str, position: u64) -> Option<(Option<String>, u64)> {
    Some((Some(document.to_owned()), position))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_document_is_hidden_and_stays_removed() {
    let place = Place::new().await;
    let live = place.open().await;
    place.write(live, 0, 2, vec![put("a", 1, "{\"price\":1}"), put("b", 2, "{\"price\":2}")]).await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 2);

    place.write(live, 2, 5, vec![remove("a", 5)]).await.unwrap();

    assert_eq!(place.load(live, &["a", "b", "c"]).await, [Some((None, 5)), kept("{\"price\":2}", 2), None]);
    assert_eq!(place.found().await.unwrap(), ["b"]);

    // A batch that was torn and comes late cannot bring it back.
    place.write(live, 5, 6, vec![put("a", 4, "{\"price\":4}")]).await.unwrap();
    assert_eq!(place.load(live, &["a"]).await, [Some((None, 5))]);
    assert_eq!(place.found().await.unwrap(), ["b"]);

    // A newer one can.
    place.write(live, 6, 7, vec![put("a", 7, "{\"price\":7}")]).await.unwrap();
    assert_eq!(place.found().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_document_fails_alone_and_the_checkpoint_stays() {
    let place = Place::new().await;
    let live = place.open().await;
    place.write(live, 0, 1, vec![]).await.unwrap();

    let documents = vec![put("a", 2, "{\"price\":2}"), put("bad", 3, "{\"price\":\"cheap\"}"), put("c", 4, "{}")];
    let refused = place.write(live, 1, 4, documents).await.unwrap_err();

    let ReadModelError::Rejected { key, reason } = refused else { panic!("{refused:?}") };
    assert_eq!(key, "bad");
    assert!(reason.contains("field [price] of type [long]") && reason.contains("cheap"), "{reason}");
    assert_eq!(place.load(live, &["a", "bad", "c"]).await, [kept("{\"price\":2}", 2), None, kept("{}", 4)]);
    assert_eq!(place.position(live).await, 1);

    // Without it, the same batch goes through.
    place.write(live, 1, 4, vec![put("a", 2, "{\"price\":2}"), put("c", 4, "{}")]).await.unwrap();
    assert_eq!(place.position(live).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_object_is_rejected_without_harm_to_others() {
    let place = Place::new().await;
    let live = place.open().await;
    for bad in ["[1]", "{\"a\":", "{\"cqrs_removed\":true}", ""] {
        let refused = place.write(live, 0, 2, vec![put("bad", 1, bad), put("good", 2, "{}")]).await.unwrap_err();
        assert!(matches!(refused, ReadModelError::Rejected { key, .. } if key == "bad"), "{bad}");
    }
    let long = "k".repeat(513);
    let refused = place.write(live, 0, 2, vec![put(&long, 1, "{}")]).await.unwrap_err();
    assert!(matches!(refused, ReadModelError::Rejected { .. }));
    assert_eq!(place.load(live, &["bad", "good"]).await, [None, kept("{}", 2)]);
    assert_eq!(place.position(live).await, 0);
    assert_eq!(place.load(live, &["", "bad", &long, "good"]).await, [None, None, None, kept("{}", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_come_back_byte_for_byte() {
    let place = Place::new().await;
    let live = place.open().await;
    let documents = [
        ("numbers", r#"{"price": 1, "z":1.0,"a":1e3,"big":12345678901234567890123,"b":-0.0}"#),
        ("texts", r#"{"title":"Lập trình Rust \u00e9 \" \\ / 🦀","nothing":null,"empty":{},"list":[ [],"x" ]}"#),
        ("khóa \"học\" / ?#&", "{}"),
        (&*"ü".repeat(256), "{\"cqrs\":true}"),
    ];
    let writes = documents.iter().map(|(key, document)| put(key, 3, document)).collect();
    place.write(live, 0, 3, writes).await.unwrap();
    let keys = documents.map(|(key, _)| key);
    assert_eq!(place.load(live, &keys).await, documents.map(|(_, document)| kept(document, 3)));

    place.write(live, 3, 4, vec![put("lines", 4, "{\n  \"price\": 4,\r\n  \"title\": \"a\\nb\"\n}\n")]).await.unwrap();
    let on_one_line = "{   \"price\": 4,    \"title\": \"a\\nb\" }";
    assert_eq!(place.load(live, &["lines"]).await, [kept(on_one_line, 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_written_in_parts() {
    let place = Place::new().await;
    let live = place.open().await;
    let text = "x".repeat(1_500_000);
    let mut writes: Vec<_> = (0..2_500).map(|n| put(&format!("k{n}"), n + 1, &format!("{{\"price\":{n}}}"))).collect();
    writes.extend((0..6).map(|n| put(&format!("large{n}"), 3_000, &format!("{{\"text\":\"{text}\"}}"))));
    let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();

    place.write(live, 0, 3_000, writes.clone()).await.unwrap();

    let found = place.model.load(&place.target(live), &keys).await.unwrap();
    for (found, written) in found.into_iter().zip(writes) {
        let found = found.unwrap();
        assert!(found.document == written.document && found.position == written.position, "{}", written.key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owners_late_bulk_changes_nothing() {
    let place = Place::new().await;
    let live = place.open().await;
    let target = place.target(live);
    place.model.fence(&target, FencingToken::new(1)).await.unwrap();
    place.write(live, 0, 10, vec![put("a", 10, "{\"price\":10}")]).await.unwrap();
    place.model.fence(&target, FencingToken::new(2)).await.unwrap();
    let newer = batch(live, 10, 20, 2, vec![put("a", 20, "{\"price\":20}"), remove("b", 20)]);
    place.model.apply(&target, newer).await.unwrap();

    // What the former owner had sent before it was fenced, arriving now.
    let late: String = ["a", "b"]
        .map(|key| {
            format!("{{\"index\":{{\"_id\":\"{key}\",\"version\":15,\"version_type\":\"external_gte\"}}}}\n{{}}\n")
        })
        .concat();
    let answer = place.send(Method::Post, &format!("catalogue.g{live}.write/_bulk?require_alias=true"), late).await;
    assert_eq!(
        (&answer["items"][0]["index"]["status"], &answer["items"][1]["index"]["status"]),
        (&409.into(), &409.into())
    );
    assert_eq!(place.load(live, &["a", "b"]).await, [kept("{\"price\":20}", 20), Some((None, 20))]);

    // And what it sends from now on.
    let refused = place.write(live, 20, 30, vec![put("a", 30, "{}")]).await.unwrap_err();
    let tokens = (FencingToken::new(2), FencingToken::new(1));
    assert!(matches!(refused, ReadModelError::Fenced { stored, offered } if (stored, offered) == tokens));
    assert_eq!((place.position(live).await, place.load(live, &["a"]).await), (20, vec![kept("{\"price\":20}", 20)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_fenced_amid_its_batches_moves_the_checkpoint_no_more() {
    let place = Place::new().await;
    let live = place.open().await;
    let target = place.target(live);
    place.model.fence(&target, FencingToken::new(1)).await.unwrap();
    let (model, of_former) = (place.model.clone().refresh(cqrs_projections::Refresh::None), target.clone());
    let former = tokio::spawn(async move {
        for position in 1..10_000 {
            let next = batch(live, position - 1, position, 1, vec![put("a", position, "{}")]);
            if let Err(refused) = model.apply(&of_former, next).await {
                return refused;
            }
        }
        panic!("never fenced");
    });
    while place.position(live).await < 5 {
        tokio::task::yield_now().await;
    }

    let left = place.model.fence(&target, FencingToken::new(2)).await.unwrap().unwrap();

    assert!(matches!(former.await.unwrap(), ReadModelError::Fenced { .. }));
    assert_eq!(place.position(live).await, left.position.get());
    // Where the former owner left off, the new one goes on.
    let (from, to) = (left.position.get(), left.position.get() + 2);
    place.model.apply(&target, batch(live, from, to, 2, vec![put("a", to, "{\"price\":1}")])).await.unwrap();
    assert_eq!(place.load(live, &["a"]).await, [kept("{\"price\":1}", to)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_applied_by_two_at_once_is_applied_once() {
    let place = Place::new().await;
    let live = place.open().await;
    let target = place.target(live);
    let twice = [(); 4].map(|()| place.model.apply(&target, batch(live, 0, 3, 1, vec![put("a", 3, "{}")])));
    for done in futures::future::join_all(twice).await {
        done.unwrap();
    }
    assert_eq!((place.position(live).await, place.load(live, &["a"]).await), (3, vec![kept("{}", 3)]));
    let refused = place.write(live, 2, 5, vec![]).await.unwrap_err();
    let positions = (GlobalPosition::new(2), GlobalPosition::new(3));
    assert!(matches!(refused, ReadModelError::OutOfSequence { from, actual } if (from, actual) == positions));
}
