//! Owners: a newer one takes over, and the former one can do no harm.

use cqrs_core::{ReadModelError, Target};

use super::{
    KEYS, Model, apply, batch, begin, checkpoint, deliver, fence, folded, load, open, owned, owned_of_16, put, refuse,
    seen, state, token, touches, under,
};

#[track_caller]
fn assert_fenced(error: &ReadModelError, by: u64, from: u64) {
    assert!(
        matches!(error, ReadModelError::Fenced { stored, offered } if (stored.get(), offered.get()) == (by, from)),
        "fenced by {by} from {from}; but it is {error:?}"
    );
}

pub async fn a_target_that_nobody_owned_has_neither_token_nor_checkpoint(model: Model) {
    let target = open(&model, "accounts").await;
    assert_eq!(model.checkpoint(&target).await.expect("the checkpoint can be read"), (None, None));
}

pub async fn the_first_owner_finds_no_checkpoint(model: Model) {
    let target = open(&model, "accounts").await;
    assert_eq!(fence(&model, &target, 1).await, None);
    assert_eq!(model.checkpoint(&target).await.expect("the checkpoint can be read"), (Some(token(1)), None));
}

pub async fn a_new_owner_is_handed_the_checkpoint(model: Model) {
    let target = owned(&model).await;
    let first = batch(&target, 0, 9, vec![put("a", &[9])]);
    apply(&model, &target, first.clone()).await;
    assert_eq!(fence(&model, &target, 5).await, Some(first.checkpoint), "as the former owner left it");
    assert_eq!(model.checkpoint(&target).await.expect("it can be read"), (Some(token(5)), Some(first.checkpoint)));
}

pub async fn a_token_that_is_not_newer_takes_nothing_over(model: Model) {
    let target = open(&model, "accounts").await;
    fence(&model, &target, 5).await;
    apply(&model, &target, under(batch(&target, 0, 9, vec![put("a", &[9])]), 5)).await;
    let before = state(&model, &target, &["a"]).await;
    for number in [1, 4, 5] {
        let error = model.fence(&target, token(number)).await.expect_err("the token is not newer");
        assert_fenced(&error, 5, number);
    }
    assert_eq!(state(&model, &target, &["a"]).await, before);
}

pub async fn the_largest_token_is_kept_exactly(model: Model) {
    let target = open(&model, "accounts").await;
    let largest = token(u64::MAX).get();
    fence(&model, &target, largest - 1).await;
    fence(&model, &target, largest).await;
    let error = model.fence(&target, token(largest - 1)).await.expect_err("the token is older");
    assert_fenced(&error, largest, largest - 1);
    apply(&model, &target, under(batch(&target, 0, 1, vec![put("a", &[1])]), largest)).await;
}

pub async fn a_former_owner_changes_neither_documents_nor_the_checkpoint(model: Model) {
    let target = owned(&model).await;
    let first = batch(&target, 0, 9, vec![put("a", &[9])]);
    apply(&model, &target, first.clone()).await;
    fence(&model, &target, 2).await;
    let next = batch(&target, 9, 12, vec![put("a", &[9, 12]), put("b", &[10])]);
    assert_fenced(&refuse(&model, &target, next.clone(), &["a", "b"]).await, 2, 1);
    assert_fenced(&refuse(&model, &target, first, &["a", "b"]).await, 2, 1);
    apply(&model, &target, under(batch(&target, 9, 11, vec![put("b", &[11])]), 2)).await;
    assert_fenced(&refuse(&model, &target, next, &["a", "b"]).await, 2, 1);
}

pub async fn a_former_owner_is_fenced_before_the_new_one_wrote_anything(model: Model) {
    let target = owned(&model).await;
    fence(&model, &target, 2).await;
    let first = batch(&target, 0, 9, vec![put("a", &[9])]);
    assert_fenced(&refuse(&model, &target, first, &["a"]).await, 2, 1);
}

pub async fn a_new_owner_goes_on_from_the_checkpoint(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 9, vec![put("a", &[9])])).await;
    fence(&model, &target, 2).await;
    let next = under(batch(&target, 9, 12, vec![put("a", &[9, 12])]), 2);
    apply(&model, &target, next.clone()).await;
    assert_eq!(load(&model, &target, &["a"]).await, [Some(seen(&[9, 12]))]);
    assert_eq!(checkpoint(&model, &target).await, Some(next.checkpoint));
}

pub async fn partitions_and_generations_are_fenced_each_for_itself(model: Model) {
    let target = owned_of_16(&model).await;
    let begun = begin(&model, &target).await;
    let partition = Target { partition: 1, ..target.clone() };
    fence(&model, &partition, 1).await;
    fence(&model, &partition, 9).await;
    apply(&model, &target, batch(&target, 0, 1, vec![put("a", &[1])])).await;
    apply(&model, &begun, batch(&begun, 0, 2, vec![put("a", &[2])])).await;
    let refused = refuse(&model, &partition, batch(&partition, 0, 3, vec![put("b", &[3])]), &["b"]).await;
    assert_fenced(&refused, 9, 1);
}

pub async fn one_of_two_owners_with_the_same_token_wins(model: Model) {
    let target = open(&model, "accounts").await;
    for number in 1..=5 {
        let owners: Vec<_> = (0..2)
            .map(|_| {
                let (model, target) = (model.clone(), target.clone());
                tokio::spawn(async move { model.fence(&target, token(number)).await })
            })
            .collect();
        let mut won = 0;
        for owner in owners {
            match owner.await.expect("taking over does not panic") {
                Ok(_) => won += 1,
                Err(error) => assert_fenced(&error, number, number),
            }
        }
        assert_eq!(won, 1, "token {number}");
    }
}

pub async fn the_newest_of_many_owners_that_come_at_once_stays(model: Model) {
    let target = open(&model, "accounts").await;
    let owners: Vec<_> = (1..=8)
        .map(|number| {
            let (model, target) = (model.clone(), target.clone());
            tokio::spawn(async move { (number, model.fence(&target, token(number)).await) })
        })
        .collect();
    for owner in owners {
        let (number, result) = owner.await.expect("taking over does not panic");
        match result {
            Ok(_) => {}
            Err(ReadModelError::Fenced { stored, offered }) => assert!(stored > offered && offered == token(number)),
            Err(error) => assert!(error.is_transient() && number < 8, "{error:?}"),
        }
    }
    assert_eq!(model.checkpoint(&target).await.expect("the checkpoint can be read").0, Some(token(8)));
}

pub async fn a_takeover_in_the_midst_of_the_former_owners_batches_loses_and_doubles_nothing(model: Model) {
    let touches = touches();
    for round in 0..4u16 {
        let target = open(&model, &format!("accounts-{round}")).await;
        fence(&model, &target, 1).await;
        let former = tokio::spawn({
            let (model, target, touches) = (model.clone(), target.clone(), touches.clone());
            async move { deliver(&model, &target, 1, &touches, 2).await }
        });
        while checkpoint(&model, &target).await.is_none() {
            tokio::task::yield_now().await;
        }
        let handed = fence(&model, &target, 2).await;
        assert_eq!(checkpoint(&model, &target).await, handed, "from then on it is the new owner's");
        deliver(&model, &target, 2, &touches, 5).await.expect("the new owner goes on");
        if let Err(error) = former.await.expect("applying does not panic") {
            assert_fenced(&error, 2, 1);
        }
        assert_eq!(load(&model, &target, &KEYS).await, folded(&touches));
    }
}
