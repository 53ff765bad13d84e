//! Generations: begun beside the live one, swapped at once, dropped for good.

use cqrs_core::{Documents, Generation, Partitions, ReadModelError, Target};

use super::{
    Document, Model, apply, batch, begin, checkpoint, fence, generation, load, open, owned, owned_of_16, projection,
    put, seen, token,
};

async fn live(model: &Model) -> Option<Generation> {
    let live = model.live(&projection("accounts")).await.expect("the live generation can be read");
    live.map(|live| live.generation)
}

async fn all(model: &Model) -> Vec<Generation> {
    model.generations(&projection("accounts")).await.expect("generations can be read")
}

async fn swap(model: &Model, to: &Target) {
    model.swap(&to.projection, to.generation).await.expect("the generation becomes the live one");
}

async fn drop_generation(model: &Model, target: &Target) {
    model.drop_generation(&target.projection, target.generation).await.expect("the generation is dropped");
}

/// A live generation and one beside it, each with a document `a`.
async fn given(model: &Model) -> (Target, Target) {
    let first = owned(model).await;
    let second = begin(model, &first).await;
    apply(model, &first, batch(&first, 0, 1, vec![put("a", &[1])])).await;
    apply(model, &second, batch(&second, 0, 2, vec![put("a", &[2])])).await;
    (first, second)
}

pub async fn a_projection_that_was_never_opened_has_no_generation(model: Model) {
    assert_eq!((live(&model).await, all(&model).await), (None, vec![]));
}

pub async fn opening_creates_the_first_generation_once(model: Model) {
    let first = open(&model, "accounts").await.generation;
    for _ in 0..3 {
        assert_eq!(open(&model, "accounts").await.generation, first);
    }
    assert_eq!((live(&model).await, all(&model).await), (Some(first), vec![first]));
}

pub async fn opening_at_once_creates_one_generation(model: Model) {
    let opened: Vec<_> = (0..5)
        .map(|_| {
            let model = model.clone();
            tokio::spawn(async move { open(&model, "accounts").await.generation })
        })
        .collect();
    let mut found = Vec::new();
    for opening in opened {
        found.push(opening.await.expect("opening does not panic"));
    }
    assert_eq!(found, [found[0]; 5]);
    assert_eq!((live(&model).await, all(&model).await), (Some(found[0]), vec![found[0]]));
}

pub async fn opening_leaves_what_is_there(model: Model) {
    let (first, _) = given(&model).await;
    assert_eq!(open(&model, "accounts").await.generation, first.generation);
    assert_eq!(load(&model, &first, &["a"]).await, [Some(seen(&[1]))]);
}

pub async fn a_generation_begins_empty_above_all_others_and_leaves_the_live_one(model: Model) {
    let first = owned(&model).await;
    apply(&model, &first, batch(&first, 0, 1, vec![put("a", &[1])])).await;
    let second = begin(&model, &first).await;
    let third = begin(&model, &first).await;
    assert!(first.generation < second.generation && second.generation < third.generation);
    assert_eq!(live(&model).await, Some(first.generation));
    assert_eq!(all(&model).await, [first.generation, second.generation, third.generation], "oldest first");
    assert_eq!(load(&model, &second, &["a"]).await, [None]);
    assert_eq!(checkpoint(&model, &second).await, None);
}

pub async fn generations_that_begin_at_once_have_numbers_of_their_own(model: Model) {
    let first = open(&model, "accounts").await;
    let beginning: Vec<_> = (0..4)
        .map(|_| {
            let model = model.clone();
            tokio::spawn(async move {
                model.begin(&projection("accounts"), Partitions::ONE).await.expect("a generation begins")
            })
        })
        .collect();
    let mut expected = vec![first.generation];
    for begun in beginning {
        expected.push(begun.await.expect("beginning does not panic"));
    }
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(expected.len(), 5);
    assert_eq!(all(&model).await, expected);
}

pub async fn filling_a_generation_leaves_the_live_one_as_it_is(model: Model) {
    let (first, second) = given(&model).await;
    assert_eq!(load(&model, &first, &["a"]).await, [Some(seen(&[1]))]);
    assert_eq!(load(&model, &second, &["a"]).await, [Some(seen(&[2]))]);
    assert_eq!(checkpoint(&model, &first).await.map(|checkpoint| checkpoint.position.get()), Some(1));
    assert_eq!(checkpoint(&model, &second).await.map(|checkpoint| checkpoint.position.get()), Some(2));
    assert_eq!(live(&model).await, Some(first.generation));
}

pub async fn swapping_makes_another_generation_live(model: Model) {
    let (first, second) = given(&model).await;
    for _ in 0..3 {
        swap(&model, &second).await;
        assert_eq!(live(&model).await, Some(second.generation), "repeating it changes nothing");
        assert_eq!(open(&model, "accounts").await.generation, second.generation);
    }
    assert_eq!(all(&model).await, [first.generation, second.generation], "the former one stays until it is dropped");
    assert_eq!(load(&model, &second, &["a"]).await, [Some(seen(&[2]))]);
    apply(&model, &second, batch(&second, 2, 3, vec![put("a", &[2, 3])])).await;
    assert_eq!(load(&model, &first, &["a"]).await, [Some(seen(&[1]))]);
}

pub async fn swapping_back_is_possible_until_the_former_generation_is_dropped(model: Model) {
    let (first, second) = given(&model).await;
    swap(&model, &second).await;
    swap(&model, &first).await;
    assert_eq!(live(&model).await, Some(first.generation));
    assert_eq!(load(&model, &first, &["a"]).await, [Some(seen(&[1]))]);
}

pub async fn a_generation_that_is_not_there_cannot_be_swapped_to(model: Model) {
    let (first, second) = given(&model).await;
    drop_generation(&model, &second).await;
    for to in [second.generation, generation(900)] {
        let error = model.swap(&first.projection, to).await.expect_err("there is no such generation");
        assert!(matches!(&error, ReadModelError::NotFound { generation } if *generation == to), "{error:?}");
    }
    assert_eq!(live(&model).await, Some(first.generation));
    let error = model.swap(&projection("never-opened"), generation(1)).await.expect_err("there is no such generation");
    assert!(matches!(error, ReadModelError::NotFound { .. }), "{error:?}");
}

pub async fn readers_see_all_documents_of_one_generation_while_it_is_swapped(model: Model) {
    let first = owned(&model).await;
    let second = begin(&model, &first).await;
    let both = |number: u64| vec![put("a", &[number]), put("b", &[number])];
    apply(&model, &first, batch(&first, 0, 1, both(1))).await;
    apply(&model, &second, batch(&second, 0, 2, both(2))).await;
    let documents = Documents::<Document>::new(model.clone(), "accounts").expect("the projection's name is good");
    let reading = tokio::spawn(async move {
        let keys = ["a".to_owned(), "b".to_owned()];
        loop {
            let found = documents.get_many(&keys).await.expect("documents can be read");
            assert!(found[0].is_some() && found[0] == found[1], "both of one generation: {found:?}");
            if found[0] == Some(seen(&[2])) {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    tokio::task::yield_now().await;
    swap(&model, &second).await;
    drop_generation(&model, &first).await;
    reading.await.expect("the reader sees one generation at a time");
}

pub async fn the_live_generation_cannot_be_dropped(model: Model) {
    let (first, _) = given(&model).await;
    let error = model.drop_generation(&first.projection, first.generation).await.expect_err("it is live");
    assert!(matches!(&error, ReadModelError::Live { generation } if *generation == first.generation), "{error:?}");
    assert_eq!(live(&model).await, Some(first.generation));
    assert_eq!(load(&model, &first, &["a"]).await, [Some(seen(&[1]))]);
}

pub async fn dropping_what_is_not_there_does_nothing(model: Model) {
    let never = Target { projection: projection("never-opened"), generation: generation(1), partition: 0 };
    drop_generation(&model, &never).await;
    let (first, second) = given(&model).await;
    drop_generation(&model, &Target { generation: generation(900), ..first.clone() }).await;
    drop_generation(&model, &second).await;
    drop_generation(&model, &second).await;
    assert_eq!(all(&model).await, [first.generation]);
}

pub async fn a_former_generation_is_dropped_with_all_its_partitions(model: Model) {
    let first = owned_of_16(&model).await;
    let second = begin(&model, &first).await;
    apply(&model, &first, batch(&first, 0, 1, vec![put("a", &[1])])).await;
    apply(&model, &second, batch(&second, 0, 2, vec![put("a", &[2])])).await;
    let partition = Target { partition: 1, ..first.clone() };
    fence(&model, &partition, 1).await;
    apply(&model, &partition, batch(&partition, 0, 1, vec![put("c", &[1])])).await;
    swap(&model, &second).await;
    drop_generation(&model, &first).await;
    assert_eq!((live(&model).await, all(&model).await), (Some(second.generation), vec![second.generation]));
    for gone in [&first, &partition] {
        let left = model.load(gone, &["a".to_owned(), "c".to_owned()]).await.unwrap_or_default();
        assert!(left.iter().all(Option::is_none), "{left:?}");
    }
    assert_eq!(load(&model, &second, &["a"]).await, [Some(seen(&[2]))]);
}

async fn assert_cannot_be_written(model: &Model, gone: &Target) {
    let before = all(model).await;
    let error = model.fence(gone, token(7)).await.expect_err("it cannot be taken over");
    assert!(!error.is_transient(), "it will never succeed: {error:?}");
    for from in [0, 2] {
        let next = batch(gone, from, 9, vec![put("a", &[9])]);
        let error = model.apply(gone, next).await.expect_err("it cannot be written");
        assert!(!error.is_transient(), "it will never succeed: {error:?}");
    }
    assert_eq!(all(model).await, before, "writing does not bring it back");
    let left = model.load(gone, &["a".to_owned()]).await.unwrap_or_default();
    assert!(left.iter().all(Option::is_none), "{left:?}");
}

pub async fn writing_to_a_dropped_generation_fails_and_does_not_bring_it_back(model: Model) {
    let (_, second) = given(&model).await;
    drop_generation(&model, &second).await;
    assert_cannot_be_written(&model, &second).await;
}

pub async fn writing_to_a_generation_that_never_began_fails(model: Model) {
    let first = owned(&model).await;
    assert_cannot_be_written(&model, &Target { generation: generation(900), ..first.clone() }).await;
    assert_eq!(live(&model).await, Some(first.generation));
}

pub async fn a_writer_of_a_dropped_generation_cannot_write_to_the_one_that_begins_after_it(model: Model) {
    let (first, second) = given(&model).await;
    drop_generation(&model, &second).await;
    let third = begin(&model, &first).await;
    assert!(third.generation > second.generation, "a number is not used again");
    assert_eq!(load(&model, &third, &["a"]).await, [None]);
    assert_cannot_be_written(&model, &second).await;
}

pub async fn projections_have_generations_of_their_own(model: Model) {
    let (first, second) = given(&model).await;
    for name in ["accounts2", "account", "accounts-2", "accounts_2"] {
        let other = open(&model, name).await;
        assert_eq!(load(&model, &other, &["a"]).await, [None]);
        let all = model.generations(&other.projection).await.expect("generations can be read");
        assert_eq!(all, [other.generation], "{name}");
    }
    assert_eq!(all(&model).await, [first.generation, second.generation]);
}
