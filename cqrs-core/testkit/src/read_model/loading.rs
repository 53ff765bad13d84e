//! Documents by key.

use cqrs_core::{DocumentWrite, GlobalPosition, Payload, StoredDocument, Target, lookup_key};

use super::{Document, Model, apply, batch, fence, load, open, owned, put, remove, seen};

async fn given(model: &Model, keys: &[&str]) -> Target {
    let target = owned(model).await;
    let documents = keys.iter().zip(1..).map(|(key, number)| put(key, &[number])).collect();
    apply(model, &target, batch(&target, 0, 1_000, documents)).await;
    target
}

async fn assert_each_has_its_own(model: &Model, keys: &[&str]) {
    let target = given(model, keys).await;
    for (key, number) in keys.iter().zip(1..) {
        assert_eq!(load(model, &target, &[key]).await, [Some(seen(&[number]))], "{key:?}");
    }
    let expected: Vec<_> = (1..).take(keys.len()).map(|number| Some(seen(&[number]))).collect();
    assert_eq!(load(model, &target, keys).await, expected, "all at once");
}

pub async fn documents_come_in_the_order_of_the_keys_and_missing_ones_are_none(model: Model) {
    let target = given(&model, &["a", "b", "c"]).await;
    let (a, b, c) = (Some(seen(&[1])), Some(seen(&[2])), Some(seen(&[3])));
    let keys = ["c", "missing", "a", "b", "a", "missing"];
    assert_eq!(load(&model, &target, &keys).await, [c, None, a.clone(), b, a, None]);
}

pub async fn no_keys_give_no_documents(model: Model) {
    let target = given(&model, &["a"]).await;
    assert_eq!(load(&model, &target, &[]).await, []);
}

pub async fn a_target_without_documents_gives_none(model: Model) {
    let target = open(&model, "accounts").await;
    assert_eq!(load(&model, &target, &["a", "b"]).await, [None, None]);
}

pub async fn documents_are_loaded_as_they_are_at_this_moment(model: Model) {
    let target = owned(&model).await;
    for number in 1..=5 {
        apply(&model, &target, batch(&target, number - 1, number, vec![put("a", &[number])])).await;
        assert_eq!(load(&model, &target, &["a"]).await, [Some(seen(&[number]))]);
    }
    apply(&model, &target, batch(&target, 5, 6, vec![remove("a", 6)])).await;
    assert_eq!(load(&model, &target, &["a"]).await, [None]);
}

pub async fn a_document_comes_back_as_it_was_written(model: Model) {
    let target = owned(&model).await;
    let document = Document {
        seen: vec![0, 1, u64::try_from(i64::MAX).unwrap_or_default(), (1 << 53) + 1],
        note: "Nguyễn \"Ánh\" \\ / \u{2028} 👩‍👩‍👧 \t\n {a} ' %s".to_owned(),
    };
    let mut write = put("a", &[1]);
    write.document = cqrs_core::Payload::encode(&document).ok();
    apply(&model, &target, batch(&target, 0, 1, vec![write])).await;
    assert_eq!(load(&model, &target, &["a"]).await, [Some(document)]);
}

pub async fn keys_may_be_long(model: Model) {
    let (long, other) = ("k".repeat(512), format!("{}x", "k".repeat(511)));
    let wide = "é".repeat(256);
    assert_each_has_its_own(&model, &[&long, &other, &wide, &long[..511]]).await;
}

pub async fn keys_may_hold_any_character_but_control_characters(model: Model) {
    let keys = [
        "a:b",
        "a:b:c",
        ":",
        "a:",
        ":a",
        "{a}",
        "{",
        "}",
        "{a}:b",
        "a b",
        " ",
        " a",
        "a ",
        "*",
        "a*",
        "?",
        "a/b",
        "/",
        "..",
        ".",
        "_a",
        "_doc",
        "#",
        "a#b",
        "%",
        "%61",
        "a\"b",
        "'",
        "\\",
        "\\u0061",
        "[a]",
        "a,b",
        "|",
        "<>",
        "=",
        "&",
        "+",
        "~",
        "$1",
        "null",
        "0",
        "00",
        "-1",
        "Ánh",
        "日本",
        "👩‍👩‍👧",
    ];
    assert_each_has_its_own(&model, &keys).await;
}

pub async fn keys_that_look_alike_are_not_mixed_up(model: Model) {
    assert_each_has_its_own(&model, &["a", "A", "a ", " a", "aa", "á", "a\u{301}", "ａ", "a\u{200b}"]).await;
}

pub async fn keys_that_sinks_use_for_themselves_are_free(model: Model) {
    let keys =
        ["checkpoint", "_checkpoint", "__checkpoint", "checkpoint:0", "token", "live", "generation", "meta", "meta:0"];
    assert_each_has_its_own(&model, &keys).await;
    let target = open(&model, "accounts").await;
    let next = batch(&target, 1_000, 1_001, vec![remove("checkpoint", 1_001), remove("live", 1_001)]);
    apply(&model, &target, next).await;
    assert_eq!(super::checkpoint(&model, &target).await.map(|checkpoint| checkpoint.position.get()), Some(1_001));
    assert_eq!(open(&model, "accounts").await, target);
}

pub async fn documents_of_two_projections_and_generations_do_not_mix(model: Model) {
    let first = open(&model, "accounts").await;
    let mut targets = vec![first.clone()];
    for name in ["accounts2", "accounts-1"] {
        targets.push(open(&model, name).await);
    }
    let generation = model.begin(&first.projection, cqrs_core::Partitions::ONE).await.expect("a generation begins");
    targets.push(Target { generation, ..first });
    let keys = ["a", "1:a", "0:a", "1:0:a"];
    for (target, number) in targets.iter().zip(1..) {
        fence(&model, target, 1).await;
        let documents = keys.iter().map(|key| put(key, &[number])).collect();
        apply(&model, target, batch(target, 0, number, documents)).await;
    }
    for (target, number) in targets.iter().zip(1..) {
        assert_eq!(load(&model, target, &keys).await, vec![Some(seen(&[number])); 4], "{target}");
        let position = super::checkpoint(&model, target).await.map(|checkpoint| checkpoint.position.get());
        assert_eq!(position, Some(number), "{target}");
    }
    apply(&model, &targets[0], batch(&targets[0], 1, 50, vec![remove("a", 50)])).await;
    for (target, number) in targets.iter().zip(1..).skip(1) {
        assert_eq!(load(&model, target, &["a"]).await, [Some(seen(&[number]))], "{target}");
    }
}

pub async fn a_lookup_comes_back_as_it_was_written_and_is_removed_like_a_document(model: Model) {
    let target = owned(&model).await;
    let key = lookup_key("a");
    // No field of it has to be declared, and it need not be an object.
    for (from, json) in [(0, "{ \"other\" : { \"x\": [1.0, \"\\\"\"] }, \"note\": 7 }"), (1, "[\"Ánh\"]"), (2, "7")] {
        let written = DocumentWrite {
            key: key.clone(),
            document: Some(Payload::from_bytes(json)),
            position: GlobalPosition::new(from + 1),
        };
        apply(&model, &target, batch(&target, from, from + 1, vec![written])).await;
        let stored = stored(&model, &target, &key).await.expect("it is there");
        let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).expect("it is JSON");
        assert_eq!(stored.document.map(|json| value(json.as_bytes())), Some(value(json.as_bytes())));
        assert_eq!(stored.position, GlobalPosition::new(from + 1));
    }
    apply(&model, &target, batch(&target, 3, 4, vec![remove(&key, 4)])).await;
    assert_eq!(load(&model, &target, &[&key]).await, [None]);
}

async fn stored(model: &Model, target: &Target, key: &str) -> Option<StoredDocument> {
    model.load(target, &[key.to_owned()]).await.expect("documents can be loaded").remove(0)
}
