//! Letters come back as they were kept, each once.

use cqrs_core::{DeadLetterCause, DeadLetterCount, DeadLetterFailure, DeadLetterState, ListDeadLetters, NewDeadLetter};

use super::{
    Store, accounts, at, discard, event, failed, failure, find, following, id, keep, list, owned, owned_of, positions,
    settle, take_over, target, waiting, without_document,
};

pub async fn a_target_without_letters_has_none(store: Store) {
    let owner = owned(&store).await;
    assert_eq!(take_over(&store, &owner, 0).await, Default::default());
    assert!(waiting(&store, &owner, "a").await.is_empty());
    assert!(list(&store, ListDeadLetters::new(accounts())).await.is_empty());
    let count = store.count(&accounts(), owner.target.generation).await.expect("letters can be counted");
    assert_eq!(count, DeadLetterCount::default());
    settle(&store, &owner, "a", 9).await;
    keep(&store, &owner, vec![]).await;
}

pub async fn a_letter_comes_back_as_it_was_kept(store: Store) {
    let owner = owned(&store).await;
    let causes = [
        DeadLetterCause::Projector,
        DeadLetterCause::ReadModel,
        DeadLetterCause::Enrichment,
        DeadLetterCause::Document,
        DeadLetterCause::Event,
        DeadLetterCause::Routing,
    ];
    for (position, cause) in (1..).zip(causes) {
        let failure = Some(DeadLetterFailure::new(cause, "5 is \"not\" 'ok': Ánh", 3));
        let kept = NewDeadLetter { document: Some("ACC-001".to_owned()), event: event(position), failure };
        keep(&store, &owner, vec![kept.clone()]).await;
        let found = find(&store, id(&owner, "ACC-001", position)).await;
        assert_eq!(NewDeadLetter { document: found.document, event: found.event, failure: found.failure }, kept);
        assert_eq!((&found.target, found.first_at), (&owner.target, found.last_at));
        assert_eq!((found.to_replay, found.removing, found.discarded), (false, false, None));
    }
}

pub async fn a_letter_that_follows_has_no_failure(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 1), following("a", 2)]).await;
    let states: Vec<_> = waiting(&store, &owner, "a").await.iter().map(|letter| letter.state()).collect();
    assert_eq!(states, [DeadLetterState::Failed, DeadLetterState::Following]);
}

pub async fn a_letter_that_comes_again_stays_as_it_is(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 1), following("a", 2), without_document(3)]).await;
    let before = list(&store, ListDeadLetters::new(accounts())).await;
    let again = NewDeadLetter { failure: Some(failure("another error")), ..failed("a", 1) };
    keep(&store, &owner, vec![again, failed("a", 2), without_document(3)]).await;
    assert_eq!(list(&store, ListDeadLetters::new(accounts())).await, before);
}

pub async fn a_discarded_letter_that_comes_again_stays_discarded(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 1), without_document(2)]).await;
    assert!(discard(&store, id(&owner, "a", 1), "a mistake").await);
    let before = find(&store, id(&owner, "a", 1)).await;
    keep(&store, &owner, vec![failed("a", 1)]).await;
    assert_eq!(find(&store, id(&owner, "a", 1)).await, before);
    assert!(waiting(&store, &owner, "a").await.is_empty());
}

pub async fn letters_wait_in_the_order_of_their_positions(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![following("a", 30), following("a", 9)]).await;
    keep(&store, &owner, vec![failed("a", 4), failed("b", 5), following("a", 1_000)]).await;
    assert_eq!(positions(&store, &owner, "a").await, [4, 9, 30, 1_000]);
    let two = store.waiting(&owner.target, "a", 2).await.expect("letters can be read");
    assert_eq!(two.iter().map(|letter| letter.event.position).collect::<Vec<_>>(), [at(4), at(9)]);
}

pub async fn any_key_and_any_error_come_back(store: Store) {
    let owner = owned(&store).await;
    let long = "course-".repeat(73);
    for (position, key) in (1..).zip(["a b", "Ánh", "'; drop table --", "%", "{}", "\u{10ffff}", "0", &long]) {
        let failure = failure(&format!("{key}\n\t\"\\"));
        let letter = NewDeadLetter { failure: Some(failure.clone()), ..failed(key, position) };
        keep(&store, &owner, vec![letter]).await;
        let found = waiting(&store, &owner, key).await;
        assert_eq!(found.len(), 1, "{key:?}");
        assert_eq!((found[0].document.as_deref(), &found[0].failure), (Some(key), &Some(failure)));
    }
}

pub async fn an_error_is_kept_up_to_a_length(store: Store) {
    let owner = owned(&store).await;
    let long = failure(&"\0é".repeat(5_000));
    keep(&store, &owner, vec![NewDeadLetter { failure: Some(long), ..failed("a", 1) }]).await;
    let found = find(&store, id(&owner, "a", 1)).await.failure.map(|failure| failure.error);
    assert_eq!(found, Some("é".repeat(2_000)));
}

pub async fn large_positions_are_kept_exactly(store: Store) {
    let owner = owned(&store).await;
    let far = (1 << 53) + 1;
    keep(&store, &owner, vec![following("a", far + 1), failed("a", far)]).await;
    assert_eq!(positions(&store, &owner, "a").await, [far, far + 1]);
    settle(&store, &owner, "a", far).await;
    assert_eq!(positions(&store, &owner, "a").await, [far + 1]);
}

pub async fn five_thousand_letters_are_kept_at_once(store: Store) {
    let owner = owned(&store).await;
    let letters = (1..=5_000).map(|position| following(&format!("customer-{}", position % 500), position)).collect();
    keep(&store, &owner, letters).await;
    assert_eq!(take_over(&store, &owner, 0).await.documents.len(), 500);
    let count = store.count(&accounts(), owner.target.generation).await.expect("letters can be counted");
    assert_eq!(count, DeadLetterCount { documents: 500, letters: 5_000, without_document: 0 });
}

pub async fn targets_and_documents_do_not_mix(store: Store) {
    let owner = owned(&store).await;
    keep(&store, &owner, vec![failed("a", 1), following("a", 2), failed("b", 3)]).await;
    let mut others = vec![target(1, 1), target(2, 0)];
    for name in ["account", "accounts2", "accounts_"] {
        others.push(cqrs_core::Target { projection: super::projection(name), ..target(1, 0) });
    }
    for other in others {
        let other = owned_of(&store, other).await;
        assert!(waiting(&store, &other, "a").await.is_empty(), "{}", other.target);
        keep(&store, &other, vec![failed("a", 1)]).await;
        settle(&store, &other, "a", 9).await;
        assert!(waiting(&store, &other, "a").await.is_empty(), "{}", other.target);
    }
    settle(&store, &owner, "b", 9).await;
    settle(&store, &owner, "", 9).await;
    assert_eq!(positions(&store, &owner, "a").await, [1, 2]);
}
