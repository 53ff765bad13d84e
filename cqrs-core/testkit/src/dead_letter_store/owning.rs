//! Owners: a new one is told what is parked, and a former one can do no harm.

use cqrs_core::{Generation, ListDeadLetters};

use super::{
    Store, accounts, assert_fenced, at, discard, failed, failure, following, id, keep, list, owned, owner, positions,
    settle, take_over, target, without_document,
};

pub async fn a_new_owner_is_told_where_each_parked_document_waits(store: Store) {
    let first = owned(&store).await;
    keep(&store, &first, vec![following("a", 30), failed("a", 4), failed("b", 5), without_document(2)]).await;
    settle(&store, &first, "a", 4).await;
    let parked = take_over(&store, &owner(target(1, 0), 2), 0).await;
    let mut documents: Vec<_> = parked.documents.into_iter().collect();
    documents.sort_unstable();
    assert_eq!(documents, [("a".to_owned(), at(30)), ("b".to_owned(), at(5))]);
    assert_eq!((parked.discarded.len(), parked.without_document), (0, 1));
}

pub async fn a_new_owner_is_told_of_discarded_letters_behind_its_checkpoint(store: Store) {
    let first = owned(&store).await;
    keep(&store, &first, vec![failed("a", 4), failed("b", 5), failed("c", 6), without_document(7)]).await;
    for (document, position) in [("a", 4), ("b", 5), ("c", 6)] {
        assert!(discard(&store, id(&first, document, position), "a mistake").await);
    }
    let parked = take_over(&store, &owner(target(1, 0), 2), 5).await;
    assert_eq!(parked.documents.len(), 0);
    assert_eq!(parked.discarded.into_iter().collect::<Vec<_>>(), [("c".to_owned(), at(6))]);
}

pub async fn taking_over_again_under_the_same_token_is_right(store: Store) {
    let first = owned(&store).await;
    keep(&store, &first, vec![failed("a", 4)]).await;
    assert_eq!(take_over(&store, &first, 0).await.documents.len(), 1);
    keep(&store, &first, vec![following("a", 5)]).await;
    assert_eq!(positions(&store, &first, "a").await, [4, 5]);
}

pub async fn an_older_token_takes_nothing_over(store: Store) {
    let new = owner(target(1, 0), 5);
    take_over(&store, &new, 0).await;
    for token in [1, 4] {
        assert_fenced(store.take_over(&owner(target(1, 0), token), at(0)).await);
    }
    keep(&store, &new, vec![failed("a", 4)]).await;
}

pub async fn a_former_owner_changes_nothing(store: Store) {
    let former = owned(&store).await;
    keep(&store, &former, vec![failed("a", 4), following("a", 5)]).await;
    let new = owner(target(1, 0), 2);
    take_over(&store, &new, 0).await;
    let before = list(&store, ListDeadLetters::new(accounts())).await;
    assert_fenced(store.keep(&former, vec![following("a", 6), failed("b", 7)]).await);
    assert_fenced(store.settle(&former, "a", at(5)).await);
    assert_fenced(store.note_removal(&former, "a", at(5)).await);
    assert_fenced(store.failed_again(&former, "a", at(4), failure("late")).await);
    assert_eq!(list(&store, ListDeadLetters::new(accounts())).await, before);
    settle(&store, &new, "a", 5).await;
}

pub async fn a_target_without_owner_takes_no_letters(store: Store) {
    let nobody = owner(target(1, 0), 7);
    assert_fenced(store.keep(&nobody, vec![failed("a", 4)]).await);
    assert!(list(&store, ListDeadLetters::new(accounts())).await.is_empty());
}

pub async fn partitions_and_generations_have_owners_of_their_own(store: Store) {
    let first = owned(&store).await;
    for other in [target(1, 1), target(2, 0)] {
        take_over(&store, &owner(other, 9), 0).await;
    }
    keep(&store, &first, vec![failed("a", 4)]).await;
}

pub async fn what_a_former_owner_sends_meanwhile_is_known_to_the_new_one_or_refused(store: Store) {
    for round in 0..5_u16 {
        let (former, new) = (owner(target(1, round), 1), owner(target(1, round), 2));
        take_over(&store, &former, 0).await;
        let sending = tokio::spawn({
            let store = store.clone();
            async move {
                let mut kept = 0;
                while store.keep(&former, vec![failed(&format!("d{kept}"), 4)]).await.is_ok() {
                    kept += 1;
                }
                kept
            }
        });
        while store.list(&ListDeadLetters::new(accounts())).await.expect("it can be read").letters.is_empty() {
            tokio::task::yield_now().await;
        }
        let known = take_over(&store, &new, 0).await.documents.len();
        // One whose answer was lost may be known beyond those that were kept.
        let kept = sending.await.expect("keeping does not panic");
        assert!(known == kept || known == kept + 1, "{known} known, {kept} kept");
        assert_eq!(take_over(&store, &new, 0).await.documents.len(), known);
    }
}

pub async fn other_generations_are_dropped_with_their_owners(store: Store) {
    let mut owners = Vec::new();
    for generation in 1..=3 {
        let owner = super::owned_of(&store, target(generation, 0)).await;
        keep(&store, &owner, vec![failed("a", 4), following("a", 5), failed("b", 6), without_document(7)]).await;
        assert!(discard(&store, id(&owner, "b", 6), "a mistake").await);
        owners.push(owner);
    }
    store.retain(&accounts(), &[Generation::new(3)]).await.expect("generations can be dropped");
    for dropped in &owners[..2] {
        assert_eq!(positions(&store, dropped, "a").await, [0; 0]);
        assert_fenced(store.keep(dropped, vec![following("a", 8)]).await);
        assert!(super::to_replay(&store, dropped).await.is_empty());
        let kept = super::find(&store, id(dropped, "b", 6)).await;
        assert_eq!(kept.discarded.map(|discarded| discarded.reason).as_deref(), Some("a mistake"), "as a record");
    }
    assert_eq!(positions(&store, &owners[2], "a").await, [4, 5]);
    keep(&store, &owners[2], vec![following("a", 8)]).await;
    let none = store.retain(&super::projection("another"), &[]).await;
    none.expect("a projection without letters has none to drop");
    assert_eq!(positions(&store, &owners[2], "a").await, [4, 5, 8]);
}
