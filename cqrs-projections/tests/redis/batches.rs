//! One batch: checked as a whole, then written as a whole.

use cqrs_core::{Batch, GlobalPosition, ReadModel, ReadModelError};

use super::scratch::{Scratch, batch, load, owned, position, removal, stored, token, write};

#[tokio::test]
async fn a_document_key_of_another_type_refuses_the_whole_batch() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    model.apply(&target, batch(0, 5, vec![write("a", "1", 5)])).await.unwrap();
    let _: u64 = scratch.command(&["LPUSH", "{summary:1:0}:doc:b", "foreign"]);
    let before = scratch.dump();

    let documents = vec![write("a", "2", 6), removal("c", 6), write("b", "2", 7), write("d", "2", 7)];
    let error = model.apply(&target, batch(5, 7, documents)).await.unwrap_err();
    assert!(matches!(&error, ReadModelError::Rejected { key, .. } if key == "b"), "{error:?}");
    let error = model.apply(&target, batch(5, 7, vec![write("a", "2", 6), removal("b", 7)])).await.unwrap_err();
    assert!(matches!(&error, ReadModelError::Rejected { key, .. } if key == "b"), "{error:?}");

    assert_eq!(scratch.dump(), before);
    assert_eq!(model.checkpoint(&target).await.unwrap().1.unwrap().position, position(5));
}

#[tokio::test]
async fn a_checkpoint_key_of_another_type_refuses_the_whole_batch() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    model.apply(&target, batch(0, 5, vec![write("a", "1", 5)])).await.unwrap();
    let _: () = scratch.command(&["SET", "{summary:1:0}:checkpoint", "foreign"]);
    let before = scratch.dump();

    for error in [
        model.apply(&target, batch(5, 6, vec![write("a", "2", 6)])).await.unwrap_err(),
        model.fence(&target, token(2)).await.unwrap_err(),
        model.checkpoint(&target).await.unwrap_err(),
    ] {
        assert!(matches!(error, ReadModelError::Corrupt { .. }), "{error:?}");
    }
    assert_eq!(scratch.dump(), before);
}

#[tokio::test]
async fn an_index_key_of_another_type_refuses_the_whole_batch() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let _: () = scratch.command(&["SET", "{summary:1:0}:keys", "foreign"]);
    let before = scratch.dump();

    let error = model.apply(&target, batch(0, 5, vec![write("a", "1", 5)])).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Corrupt { .. }), "{error:?}");
    assert_eq!(scratch.dump(), before);
}

#[tokio::test]
async fn what_no_sink_keeps_is_refused_before_it_is_sent() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let before = scratch.dump();

    for key in ["", "a\nb", &"x".repeat(513)] {
        let error = model.apply(&target, batch(0, 5, vec![write("a", "1", 5), write(key, "1", 5)])).await.unwrap_err();
        assert!(matches!(&error, ReadModelError::Rejected { key: refused, .. } if refused == key), "{error:?}");
    }
    let back = Batch { from: position(9), ..batch(0, 5, vec![]) };
    assert!(matches!(model.apply(&target, back).await, Err(ReadModelError::Permanent(_))));
    assert_eq!(scratch.dump(), before);
}

#[tokio::test]
async fn a_document_that_others_wrote_is_corrupt() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let _: () = scratch.command(&["SET", "{summary:1:0}:doc:a", "foreign"]);

    let error = model.load(&target, &["a".to_owned()]).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_removed_document_leaves_no_key_behind() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let empty = scratch.dump();
    model.apply(&target, batch(0, 5, vec![write("a", "1", 5), write("b", "1", 5)])).await.unwrap();
    model.apply(&target, batch(5, 7, vec![removal("a", 6), removal("b", 7), removal("none", 7)])).await.unwrap();
    assert!(scratch.dump().keys().eq(empty.keys()), "{:?}", scratch.dump());
}

#[tokio::test]
async fn the_largest_positions_are_told_apart() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let (near, most) = (GlobalPosition::MAX.previous().get(), GlobalPosition::MAX.get());
    model.apply(&target, batch(0, near, vec![write("a", "1", near)])).await.unwrap();

    let error = model.apply(&target, batch(most, most, vec![])).await.unwrap_err();
    assert!(matches!(error, ReadModelError::OutOfSequence { .. }), "{error:?}");
    model.apply(&target, batch(near, most, vec![write("a", "2", most)])).await.unwrap();
    assert_eq!(load(&model, &target, &["a"]).await, [stored("2", most)]);
}

#[tokio::test]
async fn twenty_thousand_documents_are_one_batch() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    let keys: Vec<String> = (0..20_000).map(|n| format!("account-{n}")).collect();
    let json = format!("{:?}", "x".repeat(200));
    model.apply(&target, batch(0, 5, keys.iter().map(|key| write(key, &json, 5)).collect())).await.unwrap();

    assert!(model.load(&target, &keys).await.unwrap() == vec![stored(&json, 5); 20_000]);
}
