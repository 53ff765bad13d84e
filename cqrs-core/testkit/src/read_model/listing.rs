//! All documents of a generation, page by page, and the notes of generations.

use std::collections::BTreeMap;

use cqrs_core::{Documents, Generation, ListCursor, ReadModelError, Target};

use super::{
    Document, Model, apply, batch, begin, fence, generation, open, open_of, owned, partitions, projection, put, remove,
    seen,
};

/// Everything that the pages hold, each document once.
async fn list(model: &Model, target: &Target, limit: usize) -> BTreeMap<String, (Document, u64)> {
    let mut found = BTreeMap::new();
    let mut after: Option<ListCursor> = None;
    for _ in 0..10_000 {
        let page = model.list(&target.projection, target.generation, after.as_ref(), limit).await;
        let page = page.expect("documents are listed");
        for (key, stored) in page.documents {
            let document = stored.document.expect("what was removed is not listed");
            let document = document.decode().expect("a document comes back as it was written");
            found.insert(key, (document, stored.position.get()));
        }
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
    unreachable!("there is a last page")
}

fn expected(keys: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, (Document, u64)> {
    keys.into_iter().map(|(key, number)| (key, (seen(&[number]), number))).collect()
}

pub async fn every_document_of_a_generation_is_listed_whatever_the_pages(model: Model) {
    let first = open_of(&model, "accounts", 3).await;
    let keys: Vec<_> = (1..=250).map(|number| (format!("account-{number}"), number)).collect();
    for partition in partitions(3).all() {
        let target = Target { partition, ..first.clone() };
        fence(&model, &target, 1).await;
        let own = keys.iter().filter(|(key, _)| partitions(3).of(key) == partition);
        let documents = own.map(|(key, number)| put(key, &[*number])).collect();
        apply(&model, &target, batch(&target, 0, 1_000, documents)).await;
    }
    for limit in [7, 100, 5_000] {
        assert_eq!(list(&model, &first, limit).await, expected(keys.clone()), "pages of {limit}");
    }
    let one = model.list(&first.projection, first.generation, None, 0).await.expect("a page without a limit");
    assert!(one.next.is_some(), "a limit of 0 is one of 1");
}

pub async fn removed_documents_are_not_listed(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 3, vec![put("a", &[1]), put("b", &[2]), put("c", &[3])])).await;
    apply(&model, &target, batch(&target, 3, 5, vec![remove("b", 4), put("d", &[5]), remove("never", 5)])).await;
    let left = [("a", 1), ("c", 3), ("d", 5)].map(|(key, number)| (key.to_owned(), number));
    assert_eq!(list(&model, &target, 2).await, expected(left));
    apply(&model, &target, batch(&target, 5, 6, vec![put("b", &[6])])).await;
    assert_eq!(list(&model, &target, 10).await.len(), 4, "what came back is listed");
}

pub async fn what_was_just_written_is_listed(model: Model) {
    let target = owned(&model).await;
    for number in 1..=5 {
        apply(&model, &target, batch(&target, number - 1, number, vec![put("a", &[number])])).await;
        assert_eq!(list(&model, &target, 10).await, expected([("a".to_owned(), number)]));
    }
}

pub async fn generations_are_listed_each_for_itself_live_or_not(model: Model) {
    let first = owned(&model).await;
    let second = begin(&model, &first).await;
    assert_eq!(list(&model, &second, 10).await, expected([]), "an empty one has no documents");
    apply(&model, &first, batch(&first, 0, 1, vec![put("a", &[1])])).await;
    apply(&model, &second, batch(&second, 0, 2, vec![put("b", &[2])])).await;
    let other = open(&model, "accounts2").await;
    fence(&model, &other, 1).await;
    apply(&model, &other, batch(&other, 0, 3, vec![put("c", &[3])])).await;
    assert_eq!(list(&model, &first, 10).await, expected([("a".to_owned(), 1)]));
    assert_eq!(list(&model, &second, 10).await, expected([("b".to_owned(), 2)]));
    assert_eq!(list(&model, &other, 10).await, expected([("c".to_owned(), 3)]));
}

pub async fn documents_that_stay_are_listed_while_others_come_and_go(model: Model) {
    let target = owned(&model).await;
    let stays: Vec<_> = (0..120).map(|number| format!("stays-{number}")).collect();
    let goes = |from: u64| (0..120).map(move |number| format!("goes-{}", from * 120 + number));
    let first = stays.iter().cloned().chain(goes(0)).map(|key| put(&key, &[1])).collect();
    apply(&model, &target, batch(&target, 0, 1, first)).await;
    let (mut found, mut after, mut written) = (BTreeMap::new(), None::<ListCursor>, 1);
    loop {
        let page = model.list(&target.projection, target.generation, after.as_ref(), 20).await;
        let page = page.expect("documents are listed");
        found.extend(page.documents);
        after = page.next;
        if after.is_none() {
            break;
        }
        let come = goes(written).map(|key| put(&key, &[written + 1]));
        let go = goes(written - 1).map(|key| remove(&key, written + 1));
        apply(&model, &target, batch(&target, written, written + 1, come.chain(go).collect())).await;
        written += 1;
        assert!(written < 1_000, "there is a last page");
    }
    let missing: Vec<_> = stays.iter().filter(|key| !found.contains_key(*key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

async fn assert_not_found(model: &Model, target: &Target, after: Option<&ListCursor>) {
    let listed = model.list(&target.projection, target.generation, after, 10).await;
    let error = listed.expect_err("there is no such generation");
    assert!(matches!(error, ReadModelError::NotFound { generation } if generation == target.generation), "{error:?}");
}

pub async fn a_generation_that_is_not_there_is_not_taken_for_an_empty_one(model: Model) {
    let first = owned(&model).await;
    assert_not_found(&model, &Target { generation: generation(900), ..first.clone() }, None).await;
    let second = begin(&model, &first).await;
    let many = (0..50).map(|number| put(&format!("account-{number}"), &[1])).collect();
    apply(&model, &second, batch(&second, 0, 1, many)).await;
    let page = model.list(&second.projection, second.generation, None, 5).await.expect("documents are listed");
    model.drop_generation(&second.projection, second.generation).await.expect("it is dropped");
    assert_not_found(&model, &second, None).await;
    assert_not_found(&model, &second, page.next.as_ref()).await;
}

pub async fn a_generation_is_read_by_key_whatever_is_live(model: Model) {
    let first = owned(&model).await;
    let kept = begin(&model, &first).await;
    apply(&model, &first, batch(&first, 0, 2, vec![put("a", &[1]), put("b", &[2])])).await;
    apply(&model, &kept, batch(&kept, 0, 1, vec![put("a", &[1])])).await;
    let documents = Documents::<Document>::new(model.clone(), "accounts").expect("the projection's name is good");
    let documents = documents.in_generation(kept.generation, partitions(1));
    let keys = ["a".to_owned(), "b".to_owned()];
    assert_eq!(documents.get_many(&keys).await.expect("documents can be read"), [Some(seen(&[1])), None]);
    model.drop_generation(&kept.projection, kept.generation).await.expect("it is dropped");
    let error = documents.get("a").await.expect_err("it is gone");
    assert!(matches!(error, ReadModelError::NotFound { .. }), "{error:?}");
}

async fn note(model: &Model, of: Generation) -> Option<String> {
    model.note(&projection("accounts"), of).await.expect("notes can be read")
}

pub async fn a_note_is_kept_with_its_generation_and_goes_with_it(model: Model) {
    let first = owned(&model).await;
    let second = begin(&model, &first).await;
    assert_eq!(note(&model, second.generation).await, None, "at first there is none");
    let text = r#"{"für": "Ánh \\ 'x' \"y\""}"#;
    for text in ["one", text] {
        model.annotate(&second.projection, second.generation, text).await.expect("the note is kept");
        assert_eq!(note(&model, second.generation).await.as_deref(), Some(text));
    }
    assert_eq!(note(&model, first.generation).await, None, "it is one generation's");
    apply(&model, &second, batch(&second, 0, 1, vec![put("a", &[1])])).await;
    model.swap(&second.projection, second.generation).await.expect("it becomes the live one");
    assert_eq!(open(&model, "accounts").await.generation, second.generation);
    assert_eq!(note(&model, second.generation).await.as_deref(), Some(text), "it lasts");
    model.annotate(&first.projection, first.generation, "former").await.expect("the note is kept");
    model.drop_generation(&first.projection, first.generation).await.expect("it is dropped");
    assert_eq!(note(&model, first.generation).await, None, "it goes with the generation");
}

pub async fn a_generation_that_is_not_there_takes_no_note(model: Model) {
    let first = owned(&model).await;
    let second = begin(&model, &first).await;
    model.drop_generation(&second.projection, second.generation).await.expect("it is dropped");
    for gone in [second.generation, generation(900)] {
        let error = model.annotate(&first.projection, gone, "late").await.expect_err("there is no such generation");
        assert!(matches!(error, ReadModelError::NotFound { generation } if generation == gone), "{error:?}");
        assert_eq!(note(&model, gone).await, None);
    }
    assert_eq!(note(&model, generation(900)).await, None);
    let never = model.note(&projection("never-opened"), generation(1)).await;
    assert_eq!(never.expect("notes can be read"), None);
}
