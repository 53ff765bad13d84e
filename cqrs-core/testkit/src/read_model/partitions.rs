//! Partitions: their number belongs to a generation, and each holds documents and a checkpoint of its own.

use std::collections::BTreeSet;

use cqrs_core::{Documents, LiveGeneration, ReadModelError, Target};

use super::{Document, Model, apply, batch, checkpoint, fence, load, owned_of_16, partitions, projection, put, seen};

async fn open(model: &Model, count: u16) -> Result<Target, ReadModelError> {
    let generation = model.open(&projection("accounts"), partitions(count)).await?;
    Ok(Target { projection: projection("accounts"), generation, partition: 0 })
}

async fn live(model: &Model) -> Option<LiveGeneration> {
    model.live(&projection("accounts")).await.expect("the live generation can be read")
}

#[track_caller]
fn assert_mismatch(opened: Result<Target, ReadModelError>, has: u16, not: u16) {
    let text = format!("has {has} partitions instead of {not}");
    assert!(matches!(&opened, Err(ReadModelError::Mismatch { what }) if what.contains(&text)), "{text}: {opened:?}");
}

/// Fills a generation with one document for each of these keys, each in its partition.
async fn fill(model: &Model, generation: &Target, count: u16, keys: &[String]) {
    for partition in partitions(count).all() {
        let target = Target { partition, ..generation.clone() };
        fence(model, &target, 1).await;
        let own = keys.iter().zip(1..).filter(|(key, _)| partitions(count).of(key) == partition);
        let documents = own.map(|(key, number)| put(key, &[number])).collect();
        apply(model, &target, batch(&target, 0, 1_000 + u64::from(partition), documents)).await;
    }
}

fn keys() -> Vec<String> {
    (1..=40).map(|number| format!("account-{number}")).collect()
}

async fn assert_all_are_found(documents: &Documents<Document>) {
    let expected: Vec<_> = (1..=40).map(|number| Some(seen(&[number]))).collect();
    assert_eq!(documents.get_many(&keys()).await.expect("documents can be read"), expected);
    assert_eq!(documents.get("account-7").await.expect("the document can be read"), Some(seen(&[7])));
    assert_eq!(documents.get("account-41").await.expect("the document can be read"), None);
}

fn documents(model: &Model) -> Documents<Document> {
    Documents::new(model.clone(), "accounts").expect("the projection's name is good")
}

pub async fn a_generation_keeps_its_number_of_partitions(model: Model) {
    for count in [1, 2, 1_024] {
        let name = projection(&format!("accounts-{count}"));
        let generation = model.open(&name, partitions(count)).await.expect("it opens");
        let expected = LiveGeneration { generation, partitions: partitions(count) };
        assert_eq!(model.live(&name).await.expect("it can be read"), Some(expected));
        assert_eq!(model.open(&name, partitions(count)).await.expect("it opens again"), generation);
    }
}

pub async fn a_live_generation_with_another_number_of_partitions_does_not_fit(model: Model) {
    let target = open(&model, 3).await.expect("it opens");
    fill(&model, &target, 3, &keys()).await;
    for other in [1, 2, 4] {
        assert_mismatch(open(&model, other).await, 3, other);
    }
    assert_eq!(live(&model).await.map(|live| (live.generation, live.partitions.get())), Some((target.generation, 3)));
    let all = model.generations(&target.projection).await.expect("generations can be read");
    assert_eq!(all, [target.generation], "nothing was created");
    assert_all_are_found(&documents(&model)).await;
}

pub async fn openers_that_disagree_at_once_leave_one_number_of_partitions(model: Model) {
    let openers: Vec<_> = (1..=4)
        .map(|count| {
            let model = model.clone();
            tokio::spawn(async move { (count, open(&model, count).await) })
        })
        .collect();
    let mut opened = Vec::new();
    for opener in openers {
        match opener.await.expect("opening does not panic") {
            (count, Ok(target)) => opened.push((count, target.generation)),
            (_, Err(error)) => assert!(matches!(error, ReadModelError::Mismatch { .. }), "{error:?}"),
        }
    }
    let live = live(&model).await.map(|live| (live.partitions.get(), live.generation));
    assert_eq!(opened, Vec::from_iter(live), "one of them has opened it");
}

pub async fn a_generation_with_another_number_of_partitions_can_be_made_live(model: Model) {
    let first = open(&model, 2).await.expect("it opens");
    let next = model.begin(&first.projection, partitions(5)).await.expect("a generation begins");
    assert_eq!(live(&model).await.map(|live| live.partitions.get()), Some(2), "not before it is live");
    model.swap(&first.projection, next).await.expect("it becomes the live one");
    assert_eq!(live(&model).await, Some(LiveGeneration { generation: next, partitions: partitions(5) }));
    assert_mismatch(open(&model, 2).await, 5, 2);
    assert_eq!(open(&model, 5).await.expect("it opens").generation, next);
}

pub async fn partitions_hold_documents_and_checkpoints_of_their_own(model: Model) {
    let first = owned_of_16(&model).await;
    let targets = [0, 1, 11].map(|partition| Target { partition, ..first.clone() });
    let keys = ["a", "1:a", "11:a"];
    for (number, (target, key)) in (1..).zip(targets.iter().zip(keys)) {
        if target.partition > 0 {
            fence(&model, target, 1).await;
        }
        assert_eq!(checkpoint(&model, target).await, None, "{target}");
        apply(&model, target, batch(target, 0, number, vec![put(key, &[number])])).await;
    }
    for (number, (target, key)) in (1..).zip(targets.iter().zip(keys)) {
        assert_eq!(load(&model, target, &[key]).await, [Some(seen(&[number]))], "{target}");
        let position = checkpoint(&model, target).await.map(|checkpoint| checkpoint.position.get());
        assert_eq!(position, Some(number), "{target}");
    }
}

pub async fn documents_are_found_whatever_their_partitions(model: Model) {
    let target = open(&model, 7).await.expect("it opens");
    let used: BTreeSet<_> = keys().iter().map(|key| partitions(7).of(key)).collect();
    assert_eq!(used.len(), 7, "all partitions have documents");
    fill(&model, &target, 7, &keys()).await;
    assert_all_are_found(&documents(&model)).await;
}

pub async fn documents_are_found_after_a_swap_to_another_number_of_partitions(model: Model) {
    let first = open(&model, 1).await.expect("it opens");
    fill(&model, &first, 1, &keys()).await;
    let reader = documents(&model);
    assert_all_are_found(&reader).await;
    for count in [3, 2] {
        let generation = model.begin(&first.projection, partitions(count)).await.expect("a generation begins");
        fill(&model, &Target { generation, ..first.clone() }, count, &keys()).await;
        model.swap(&first.projection, generation).await.expect("it becomes the live one");
        assert_all_are_found(&reader).await;
    }
}
