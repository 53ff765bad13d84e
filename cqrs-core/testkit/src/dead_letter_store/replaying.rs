//! Marks, and what becomes of letters that are replayed.

use std::collections::BTreeSet;

use cqrs_core::{DeadLetterCause, DeadLetterFailure, DeadLetterState};

use super::{
    Store, accounts, at, failed, find, following, id, keep, owned, owned_of, positions, replay, settle, target,
    to_replay, waiting, without_document,
};

pub async fn a_document_is_marked_with_all_of_its_letters(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5), failed("b", 6)]).await;
    assert_eq!(replay(&store, Some("a")).await, 1);
    assert_eq!(to_replay(&store, &owner).await, ["a"]);
    assert!(waiting(&store, &owner, "a").await.iter().all(|letter| letter.to_replay));
    assert!(!find(&store, id(&owner, "b", 6)).await.to_replay);
    assert_eq!(replay(&store, Some("a")).await, 1, "it may be asked for again");
    assert_eq!(replay(&store, Some("c")).await, 0);
}

pub async fn all_documents_are_marked_at_once_and_events_without_document_are_not(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), failed("b", 5), following("b", 6), without_document(7)]).await;
    assert_eq!(replay(&store, None).await, 2);
    assert_eq!(to_replay(&store, &owner).await, ["a", "b"]);
    let one = store.to_replay(&owner.target, 1).await.expect("marks can be read");
    assert_eq!(one.len(), 1, "a few at a time");
}

pub async fn marks_are_found_by_partition(store: Store) {
    let mut owners = Vec::new();
    for (generation, partition) in [(1, 0), (1, 3), (1, 5), (2, 7)] {
        let owner = owned_of(&store, target(generation, partition)).await;
        keep(&store, &owner, vec![failed(&format!("d{partition}"), 4)]).await;
        owners.push(owner);
    }
    let of = async |number: usize| {
        let generation = owners[number].target.generation;
        store.partitions_to_replay(&accounts(), generation).await.expect("marks can be read")
    };
    assert_eq!(of(0).await, BTreeSet::new());
    replay(&store, Some("d3")).await;
    assert_eq!(of(0).await, BTreeSet::from([3]));
    assert_eq!(to_replay(&store, &owners[0]).await, [""; 0]);
    replay(&store, None).await;
    assert_eq!(of(0).await, BTreeSet::from([0, 3, 5]));
    assert_eq!(of(3).await, BTreeSet::from([7]));
}

pub async fn letters_that_join_a_marked_document_are_marked(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), failed("b", 5)]).await;
    replay(&store, Some("a")).await;
    keep(&store, &owner, vec![following("a", 6), following("b", 7)]).await;
    settle(&store, &owner, "a", 4).await;
    assert_eq!(to_replay(&store, &owner).await, ["a"]);
    assert!(!find(&store, id(&owner, "b", 7)).await.to_replay);
}

pub async fn letters_that_were_replayed_are_gone_and_later_ones_wait(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5), following("a", 6), failed("b", 5)]).await;
    settle(&store, &owner, "a", 5).await;
    settle(&store, &owner, "a", 5).await;
    assert_eq!(positions(&store, &owner, "a").await, [6]);
    assert_eq!(positions(&store, &owner, "b").await, [5]);
    assert_eq!(store.find(&accounts(), id(&owner, "a", 4)).await.expect("letters can be read"), None);
}

pub async fn a_letter_that_failed_again_counts_on_and_its_document_is_marked_no_more(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5), failed("b", 6)]).await;
    replay(&store, None).await;
    for (attempts, error) in [(2, "no"), (3, "still no")] {
        let again = DeadLetterFailure::new(DeadLetterCause::ReadModel, error, 1);
        store.failed_again(&owner, "a", at(4), again).await.expect("it is noted");
        let letter = find(&store, id(&owner, "a", 4)).await;
        assert_eq!(letter.failure, Some(DeadLetterFailure::new(DeadLetterCause::ReadModel, error, attempts)));
        assert!(letter.last_at >= letter.first_at);
        assert_eq!(to_replay(&store, &owner).await, ["b"]);
    }
    assert_eq!(positions(&store, &owner, "a").await, [4, 5]);
    // One that followed can fail as well, once it is the first.
    settle(&store, &owner, "a", 4).await;
    let again = DeadLetterFailure::new(DeadLetterCause::Projector, "no", 1);
    store.failed_again(&owner, "a", at(5), again.clone()).await.expect("it is noted");
    let letter = find(&store, id(&owner, "a", 5)).await;
    assert_eq!((letter.failure.clone(), letter.state()), (Some(again), DeadLetterState::Failed));
}

pub async fn a_removal_that_is_noted_can_be_seen(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5), following("a", 6), failed("b", 4)]).await;
    let removing = async || {
        let letters = waiting(&store, &owner, "a").await;
        letters.iter().filter(|letter| letter.removing).map(|letter| letter.event.position.get()).collect::<Vec<_>>()
    };
    for (up_to, expected) in [(5, vec![4, 5]), (4, vec![4]), (6, vec![4, 5, 6])] {
        store.note_removal(&owner, "a", at(up_to)).await.expect("it is noted");
        assert_eq!(removing().await, expected, "the last note counts");
    }
    keep(&store, &owner, vec![following("a", 7)]).await;
    assert_eq!(removing().await, [4, 5, 6], "not by what comes later");
    assert!(!find(&store, id(&owner, "b", 4)).await.removing);
}
