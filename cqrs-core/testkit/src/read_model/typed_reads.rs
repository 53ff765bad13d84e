//! [`Documents`]: typed reads from the live generation.

use cqrs_core::{Documents, ReadModelError, Target, lookup_key};

use super::{Document, Model, apply, batch, begin, load, open, owned, put, remove, seen};

fn documents<D: serde::de::DeserializeOwned>(model: &Model) -> Documents<D> {
    Documents::new(model.clone(), "accounts").expect("the projection's name is good")
}

async fn get(documents: &Documents<Document>, key: &str) -> Option<Document> {
    documents.get(key).await.expect("the document can be read")
}

async fn given(model: &Model) -> Target {
    let target = owned(model).await;
    apply(model, &target, batch(&target, 0, 2, vec![put("a", &[1]), put("b", &[2])])).await;
    target
}

pub async fn a_document_is_read_by_its_key(model: Model) {
    given(&model).await;
    let documents = documents(&model);
    assert_eq!(get(&documents, "a").await, Some(seen(&[1])));
    assert_eq!(get(&documents, "b").await, Some(seen(&[2])));
    assert_eq!(get(&documents, "missing").await, None);
}

pub async fn documents_are_read_in_the_order_of_their_keys(model: Model) {
    given(&model).await;
    let keys = ["b", "missing", "a", "b"].map(str::to_owned);
    let found = documents::<Document>(&model).get_many(&keys).await.expect("the documents can be read");
    assert_eq!(found, [Some(seen(&[2])), None, Some(seen(&[1])), Some(seen(&[2]))]);
}

pub async fn a_projection_that_was_never_opened_has_no_documents(model: Model) {
    let documents = documents(&model);
    assert_eq!(get(&documents, "a").await, None);
    assert_eq!(
        model.live(&super::projection("accounts")).await.expect("it can be read"),
        None,
        "reading opens nothing"
    );
    given(&model).await;
    assert_eq!(get(&documents, "a").await, Some(seen(&[1])), "and it is found once it is there");
}

pub async fn a_removed_document_is_none(model: Model) {
    let target = given(&model).await;
    let documents = documents(&model);
    assert!(get(&documents, "a").await.is_some());
    apply(&model, &target, batch(&target, 2, 3, vec![remove("a", 3)])).await;
    assert_eq!(get(&documents, "a").await, None);
    assert!(get(&documents, "b").await.is_some());
}

pub async fn a_lookup_is_no_document(model: Model) {
    let target = given(&model).await;
    let key = lookup_key("a");
    apply(&model, &target, batch(&target, 2, 3, vec![put("a", &[1, 3]), put(&key, &[3])])).await;
    let documents = documents(&model);
    assert_eq!(get(&documents, &key).await, None);
    assert_eq!(get(&documents, "a").await, Some(seen(&[1, 3])), "a document may have the same name");
    assert_eq!(load(&model, &target, &[&key, "a"]).await, [Some(seen(&[3])), Some(seen(&[1, 3]))]);
}

pub async fn a_document_of_another_shape_is_corrupt(model: Model) {
    given(&model).await;
    #[derive(Debug, serde::Deserialize)]
    struct Other {
        #[allow(dead_code, reason = "it is there to be decoded")]
        seen: String,
    }
    let error = documents::<Other>(&model).get("a").await.expect_err("it is another shape");
    assert!(matches!(&error, ReadModelError::Corrupt { what } if what.contains("\"a\"")), "{error:?}");
}

pub async fn a_generation_is_read_from_when_it_becomes_the_live_one(model: Model) {
    let first = given(&model).await;
    let documents = documents(&model);
    assert_eq!(get(&documents, "a").await, Some(seen(&[1])));
    let second = begin(&model, &first).await;
    apply(&model, &second, batch(&second, 0, 3, vec![put("a", &[3]), put("c", &[3])])).await;
    assert_eq!(get(&documents, "a").await, Some(seen(&[1])), "not before");
    assert_eq!(get(&documents, "c").await, None, "not before");
    model.swap(&second.projection, second.generation).await.expect("it becomes the live one");
    assert_eq!(get(&documents, "a").await, Some(seen(&[3])));
    assert_eq!(get(&documents, "b").await, None);
    assert_eq!(get(&documents, "c").await, Some(seen(&[3])));
}

pub async fn a_reader_outlives_the_generation_that_it_began_with(model: Model) {
    let mut live = given(&model).await;
    let documents = documents(&model);
    assert_eq!(get(&documents, "a").await, Some(seen(&[1])));
    for number in 5..8 {
        let next = begin(&model, &live).await;
        apply(&model, &next, batch(&next, 0, number, vec![put("a", &[number])])).await;
        model.swap(&next.projection, next.generation).await.expect("it becomes the live one");
        model.drop_generation(&live.projection, live.generation).await.expect("the former one is dropped");
        assert_eq!(get(&documents, "a").await, Some(seen(&[number])));
        live = next;
    }
    assert_eq!(open(&model, "accounts").await, live);
}
