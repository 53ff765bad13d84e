//! Letters that are given up.

use cqrs_core::{DeadLetterId, DeadLetterState};

use super::{
    Store, accounts, at, discard, failed, find, following, id, keep, owned, positions, replay, settle, to_replay,
    without_document,
};

pub async fn a_discarded_letter_waits_no_more_and_is_kept_with_its_reason(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5), following("a", 6)]).await;
    let before = find(&store, id(&owner, "a", 5)).await;
    assert!(discard(&store, id(&owner, "a", 5), "sent \"twice\", Ánh").await);
    assert_eq!(positions(&store, &owner, "a").await, [4, 6]);
    let after = find(&store, id(&owner, "a", 5)).await;
    assert_eq!(after.state(), DeadLetterState::Discarded);
    let discarded = after.discarded.expect("it is discarded");
    assert_eq!(discarded.reason, "sent \"twice\", Ánh");
    assert!(discarded.at >= before.first_at);
    assert_eq!((after.event, after.failure, after.first_at), (before.event, before.failure, before.first_at));
}

pub async fn a_document_goes_on_with_what_follows_a_discarded_letter(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5), failed("b", 6)]).await;
    assert!(discard(&store, id(&owner, "a", 4), "a mistake").await);
    assert_eq!(to_replay(&store, &owner).await, ["a"]);
    assert!(find(&store, id(&owner, "a", 5)).await.to_replay);
    settle(&store, &owner, "a", 5).await;
    assert!(to_replay(&store, &owner).await.is_empty(), "the mark of the discarded letter is gone, too");
    assert_eq!(find(&store, id(&owner, "a", 4)).await.state(), DeadLetterState::Discarded);
}

pub async fn a_document_whose_last_letter_is_discarded_is_marked_until_it_is_settled(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4)]).await;
    assert!(discard(&store, id(&owner, "a", 4), "a mistake").await);
    assert_eq!(to_replay(&store, &owner).await, ["a"]);
    let partitions = store.partitions_to_replay(&accounts(), owner.target.generation).await;
    assert_eq!(partitions.expect("marks can be read").len(), 1);
    settle(&store, &owner, "a", 3).await;
    assert_eq!(to_replay(&store, &owner).await, ["a"], "only up to there");
    settle(&store, &owner, "a", 4).await;
    assert!(to_replay(&store, &owner).await.is_empty());
}

pub async fn what_is_being_replayed_cannot_be_discarded(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 4), following("a", 5)]).await;
    replay(&store, Some("a")).await;
    for position in [4, 5] {
        assert!(!discard(&store, id(&owner, "a", position), "a mistake").await);
    }
    assert_eq!(positions(&store, &owner, "a").await, [4, 5]);
    store.failed_again(&owner, "a", at(4), super::failure("no")).await.expect("it is noted");
    assert!(discard(&store, id(&owner, "a", 4), "a mistake").await);
}

pub async fn a_letter_is_discarded_once(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![without_document(4)]).await;
    let id = DeadLetterId::of(&owner.target, None, at(4));
    assert!(discard(&store, id, "the first").await);
    let before = find(&store, id).await;
    assert!(!discard(&store, id, "the second").await);
    assert_eq!(find(&store, id).await, before);
    assert!(!discard(&store, DeadLetterId::of(&owner.target, None, at(5)), "not there").await);
    let elsewhere = store.discard(&super::projection("another"), id, "not there").await;
    assert!(!elsewhere.expect("the store answers"));
}

pub async fn an_event_without_document_is_discarded_alone(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![without_document(4), without_document(5)]).await;
    assert!(discard(&store, DeadLetterId::of(&owner.target, None, at(4)), "a mistake").await);
    let other = find(&store, DeadLetterId::of(&owner.target, None, at(5))).await;
    assert_eq!((other.state(), other.to_replay), (DeadLetterState::Failed, false));
    let partitions = store.partitions_to_replay(&accounts(), owner.target.generation).await;
    assert!(partitions.expect("marks can be read").is_empty());
}
