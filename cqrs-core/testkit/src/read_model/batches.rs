//! Batches: applied once, twice, torn, and cut otherwise.

use cqrs_core::{DocumentWrite, GlobalPosition, ReadModelError};

use super::{
    KEYS, Model, apply, batch, checkpoint, deliver, fence, fold, folded, load, owned, put, refuse, remove, seen, state,
    touches, under,
};

#[track_caller]
fn assert_out_of_sequence(error: &ReadModelError, starts: u64, stands: u64) {
    assert!(
        matches!(error, ReadModelError::OutOfSequence { from, actual } if (from.get(), actual.get()) == (starts, stands)),
        "starts at {starts} but stands at {stands}; but it is {error:?}"
    );
}

pub async fn a_batch_writes_its_documents_and_the_checkpoint(model: Model) {
    let target = owned(&model).await;
    let batch = batch(&target, 0, 9, vec![put("a", &[1, 9]), put("b", &[4])]);
    apply(&model, &target, batch.clone()).await;
    assert_eq!(load(&model, &target, &["a", "b", "c"]).await, [Some(seen(&[1, 9])), Some(seen(&[4])), None]);
    let stored = model.load(&target, &["b".to_owned()]).await.expect("documents can be loaded").remove(0);
    assert_eq!(stored.map(|stored| stored.position), Some(GlobalPosition::new(4)), "the position that it reflects");
    assert_eq!(checkpoint(&model, &target).await, Some(batch.checkpoint), "whole");
}

pub async fn a_later_batch_replaces_documents_and_leaves_the_others(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 5, vec![put("a", &[1]), put("b", &[5])])).await;
    apply(&model, &target, batch(&target, 5, 8, vec![put("a", &[1, 8]), put("c", &[7])])).await;
    let expected = [Some(seen(&[1, 8])), Some(seen(&[5])), Some(seen(&[7]))];
    assert_eq!(load(&model, &target, &["a", "b", "c"]).await, expected);
}

pub async fn a_batch_without_documents_moves_the_checkpoint(model: Model) {
    let target = owned(&model).await;
    let empty = batch(&target, 0, 1_000, vec![]);
    apply(&model, &target, empty.clone()).await;
    assert_eq!(checkpoint(&model, &target).await, Some(empty.checkpoint));
    apply(&model, &target, batch(&target, 1_000, 1_001, vec![put("a", &[1_001])])).await;
}

pub async fn a_checkpoint_keeps_large_positions_exactly(model: Model) {
    let target = owned(&model).await;
    // One more than a double can hold.
    let far = (1 << 53) + 1;
    let first = batch(&target, 0, far, vec![put("a", &[far])]);
    apply(&model, &target, first.clone()).await;
    assert_eq!(checkpoint(&model, &target).await, Some(first.checkpoint));
    let stored = model.load(&target, &["a".to_owned()]).await.expect("documents can be loaded").remove(0);
    assert_eq!(stored.map(|stored| stored.position.get()), Some(far));
    assert_out_of_sequence(
        &refuse(&model, &target, batch(&target, far - 1, far + 9, vec![]), &["a"]).await,
        far - 1,
        far,
    );
    apply(&model, &target, batch(&target, far, far + 1, vec![put("a", &[far, far + 1])])).await;
    assert_eq!(load(&model, &target, &["a"]).await, [Some(seen(&[far, far + 1]))]);
}

pub async fn a_batch_that_is_delivered_twice_changes_nothing_the_second_time(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 3, vec![put("a", &[1]), put("b", &[3])])).await;
    let again = batch(&target, 3, 9, vec![put("a", &[1, 8]), remove("b", 9), put("c", &[5])]);
    apply(&model, &target, again.clone()).await;
    let once = state(&model, &target, &["a", "b", "c"]).await;
    apply(&model, &target, again).await;
    assert_eq!(state(&model, &target, &["a", "b", "c"]).await, once);
}

pub async fn parallel_deliveries_of_one_batch_leave_it_applied_once(model: Model) {
    let target = owned(&model).await;
    let batch = batch(&target, 0, 9, vec![put("a", &[1, 9]), put("b", &[4])]);
    let deliveries: Vec<_> = (0..4)
        .map(|_| {
            let (model, target, batch) = (model.clone(), target.clone(), batch.clone());
            tokio::spawn(async move { model.apply(&target, batch).await })
        })
        .collect();
    for delivery in deliveries {
        let result = delivery.await.expect("applying does not panic");
        // A sink may tell one that came too late to try again, but not that it is wrong.
        assert!(result.as_ref().map_or_else(ReadModelError::is_transient, |()| true), "{result:?}");
    }
    assert_eq!(load(&model, &target, &["a", "b"]).await, [Some(seen(&[1, 9])), Some(seen(&[4]))]);
    assert_eq!(checkpoint(&model, &target).await, Some(batch.checkpoint));
}

pub async fn an_earlier_batch_again_is_out_of_sequence(model: Model) {
    let target = owned(&model).await;
    let first = batch(&target, 0, 3, vec![put("a", &[1])]);
    apply(&model, &target, first.clone()).await;
    apply(&model, &target, batch(&target, 3, 9, vec![put("a", &[1, 9])])).await;
    assert_out_of_sequence(&refuse(&model, &target, first, &["a"]).await, 0, 9);
}

pub async fn batches_that_overlap_or_leave_a_gap_are_out_of_sequence(model: Model) {
    let target = owned(&model).await;
    let gap = batch(&target, 2, 5, vec![put("a", &[5])]);
    assert_out_of_sequence(&refuse(&model, &target, gap, &["a"]).await, 2, 0);
    apply(&model, &target, batch(&target, 0, 10, vec![put("a", &[1, 10])])).await;
    for (from, to) in [(0, 5), (5, 15), (0, 15), (9, 11), (11, 15), (12, 13)] {
        let wrong = batch(&target, from, to, vec![put("a", &[99]), put("b", &[99])]);
        assert_out_of_sequence(&refuse(&model, &target, wrong, &["a", "b"]).await, from, 10);
    }
    apply(&model, &target, batch(&target, 10, 15, vec![put("a", &[1, 10, 15])])).await;
}

pub async fn a_batch_that_ends_where_it_starts_is_written_whenever_the_checkpoint_stands_there(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 9, vec![put("a", &[1]), put("b", &[2]), put("d", &[3])])).await;
    let stays = batch(&target, 9, 9, vec![put("a", &[1, 5]), remove("b", 6), put("c", &[7])]);
    for _ in 0..2 {
        apply(&model, &target, stays.clone()).await;
        let expected = [Some(seen(&[1, 5])), None, Some(seen(&[7])), Some(seen(&[3]))];
        assert_eq!(load(&model, &target, &["a", "b", "c", "d"]).await, expected);
        assert_eq!(checkpoint(&model, &target).await, Some(stays.checkpoint));
    }
    // Another one at the same place is no repetition of it.
    apply(&model, &target, batch(&target, 9, 9, vec![put("d", &[3, 8])])).await;
    assert_eq!(load(&model, &target, &["a", "d"]).await, [Some(seen(&[1, 5])), Some(seen(&[3, 8]))]);
    apply(&model, &target, batch(&target, 9, 12, vec![put("a", &[1, 5, 12])])).await;
    assert_out_of_sequence(&refuse(&model, &target, stays, &["a", "b", "c", "d"]).await, 9, 12);
    fence(&model, &target, 2).await;
    let late = batch(&target, 12, 12, vec![put("d", &[3])]);
    let error = refuse(&model, &target, late, &["d"]).await;
    assert!(matches!(error, ReadModelError::Fenced { .. }), "{error:?}");
}

pub async fn a_batch_that_ends_where_it_starts_is_written_where_no_checkpoint_was_yet(model: Model) {
    let target = owned(&model).await;
    for documents in [vec![put("a", &[1]), put("b", &[2])], vec![put("c", &[3])]] {
        let mut stays = batch(&target, 0, 0, documents);
        stays.checkpoint.event_id = None;
        apply(&model, &target, stays).await;
        let stored = checkpoint(&model, &target).await;
        assert!(stored.is_none_or(|stored| stored.position == GlobalPosition::START && stored.event_id.is_none()));
    }
    // As after a crash: what was written is there, and the checkpoint has not passed it.
    let stands = fence(&model, &target, 2).await.map_or(GlobalPosition::START, |stored| stored.position);
    assert_eq!(stands, GlobalPosition::START);
    assert_eq!(load(&model, &target, &["a", "b", "c"]).await, [Some(seen(&[1])), Some(seen(&[2])), Some(seen(&[3]))]);
    apply(&model, &target, under(batch(&target, 0, 4, vec![put("a", &[1, 4])]), 2)).await;
    assert_eq!(load(&model, &target, &["a", "b"]).await, [Some(seen(&[1, 4])), Some(seen(&[2]))]);
}

pub async fn however_events_are_cut_into_batches_the_documents_are_the_same(model: Model) {
    let touches = touches();
    for cut in [3, 10, 100] {
        let target = super::open(&model, &format!("accounts-{cut}")).await;
        fence(&model, &target, 1).await;
        deliver(&model, &target, 1, &touches, cut).await.expect("the batches are applied");
        assert_eq!(load(&model, &target, &KEYS).await, folded(&touches), "{cut} at a time");
    }
}

pub async fn a_runner_that_starts_again_goes_on_where_the_checkpoint_stands(model: Model) {
    let target = owned(&model).await;
    let touches = touches();
    deliver(&model, &target, 1, &touches[..10], 4).await.expect("the batches are applied");
    fence(&model, &target, 2).await;
    deliver(&model, &target, 2, &touches, 7).await.expect("the batches are applied");
    assert_eq!(load(&model, &target, &KEYS).await, folded(&touches));
}

pub async fn a_batch_that_was_torn_is_delivered_again_cut_otherwise(model: Model) {
    let touches = touches();
    for round in 0..6u16 {
        let target = super::open(&model, &format!("accounts-{round}")).await;
        fence(&model, &target, 1).await;
        deliver(&model, &target, 1, &touches[..5], 5).await.expect("the batch is applied");
        let torn = fold(&model, &target, 1, touches[4].position, &touches[5..30]).await;
        let applying = tokio::spawn({
            let (model, target) = (model.clone(), target.clone());
            async move { model.apply(&target, torn).await }
        });
        for _ in 0..round * 3 {
            tokio::task::yield_now().await;
        }
        applying.abort();
        let _ = applying.await;
        fence(&model, &target, 2).await;
        deliver(&model, &target, 2, &touches, 11).await.expect("the batches are applied");
        assert_eq!(load(&model, &target, &KEYS).await, folded(&touches), "round {round}");
    }
}

pub async fn a_removed_document_is_gone_and_stays_so_when_its_removal_is_delivered_again(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 2, vec![put("a", &[1]), put("b", &[2])])).await;
    let removal = batch(&target, 2, 3, vec![remove("a", 3)]);
    for _ in 0..3 {
        apply(&model, &target, removal.clone()).await;
        assert_eq!(load(&model, &target, &["a", "b"]).await, [None, Some(seen(&[2]))]);
    }
    let late = batch(&target, 0, 2, vec![put("a", &[1]), put("b", &[2])]);
    refuse(&model, &target, late, &["a", "b"]).await;
}

pub async fn a_removed_document_comes_back_by_a_later_event(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 1, vec![put("a", &[1])])).await;
    apply(&model, &target, batch(&target, 1, 2, vec![remove("a", 2)])).await;
    apply(&model, &target, batch(&target, 2, 3, vec![put("a", &[3])])).await;
    assert_eq!(load(&model, &target, &["a"]).await, [Some(seen(&[3]))]);
}

pub async fn removing_what_never_was_does_nothing(model: Model) {
    let target = owned(&model).await;
    apply(&model, &target, batch(&target, 0, 2, vec![remove("a", 1), put("b", &[2])])).await;
    assert_eq!(load(&model, &target, &["a", "b"]).await, [None, Some(seen(&[2]))]);
}

pub async fn five_thousand_documents_go_into_one_batch(model: Model) {
    let target = owned(&model).await;
    let keys: Vec<_> = (1..=5_000u64).map(|number| format!("customer-{number}")).collect();
    let documents: Vec<DocumentWrite> = keys.iter().zip(1..).map(|(key, number)| put(key, &[number])).collect();
    apply(&model, &target, batch(&target, 0, 5_000, documents)).await;
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let expected: Vec<_> = (1..=5_000).map(|number| Some(seen(&[number]))).collect();
    assert!(load(&model, &target, &keys).await == expected, "each document under its own key");
}
