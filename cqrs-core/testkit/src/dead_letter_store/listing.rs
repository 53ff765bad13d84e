//! Finding and counting letters.

use cqrs_core::{DeadLetterCount, DeadLetterState, Generation, ListDeadLetters};

use super::{
    Store, accounts, at, discard, failed, following, id, keep, list, owned, owned_of, projection, target,
    without_document,
};

/// Letters of two generations; the first has some of every state.
async fn some(store: &Store) {
    let owner = owned(store).await;
    let letters = vec![failed("a", 4), following("a", 6), following("a", 9), failed("b", 5), without_document(7)];
    keep(store, &owner, letters).await;
    assert!(discard(store, id(&owner, "a", 6), "a mistake").await);
    let other = owned_of(store, target(2, 3)).await;
    keep(store, &other, vec![failed("a", 8), failed("c", 4)]).await;
    let elsewhere = cqrs_core::Target { projection: projection("another"), ..target(1, 0) };
    let elsewhere = owned_of(store, elsewhere).await;
    keep(store, &elsewhere, vec![failed("a", 1)]).await;
}

async fn found(store: &Store, wanted: ListDeadLetters) -> Vec<u64> {
    list(store, wanted).await.iter().map(|letter| letter.event.position.get()).collect()
}

pub async fn letters_are_listed_in_the_order_of_their_positions(store: Store) {
    some(&store).await;
    assert_eq!(found(&store, ListDeadLetters::new(accounts())).await, [4, 4, 5, 6, 7, 8, 9]);
    assert_eq!(found(&store, ListDeadLetters::new(projection("another"))).await, [1]);
    assert_eq!(found(&store, ListDeadLetters::new(projection("none"))).await, [0; 0]);
}

pub async fn letters_are_listed_by_generation_document_and_state(store: Store) {
    some(&store).await;
    let all = ListDeadLetters::new(accounts());
    let first = all.clone().generation(Generation::FIRST);
    for (wanted, expected) in [
        (first.clone(), vec![4, 5, 6, 7, 9]),
        (all.clone().generation(Generation::new(9)), vec![]),
        (all.clone().document("a"), vec![4, 6, 8, 9]),
        (all.clone().document("d"), vec![]),
        (all.clone().state(DeadLetterState::Failed), vec![4, 4, 5, 7, 8]),
        (all.clone().state(DeadLetterState::Following), vec![9]),
        (all.clone().state(DeadLetterState::Discarded), vec![6]),
        (first.document("a").state(DeadLetterState::Failed), vec![4]),
    ] {
        assert_eq!(found(&store, wanted.clone()).await, expected, "{wanted:?}");
    }
}

pub async fn letters_are_listed_page_by_page(store: Store) {
    some(&store).await;
    let all = list(&store, ListDeadLetters::new(accounts())).await;
    for size in [1, 2, 3, 7, 100] {
        let (mut seen, mut wanted) = (Vec::new(), ListDeadLetters::new(accounts()).limit(size));
        loop {
            let page = store.list(&wanted).await.expect("letters can be read");
            assert!(page.letters.len() <= size);
            seen.extend(page.letters);
            if !page.more {
                break;
            }
            wanted = wanted.after(seen.last().expect("a page that is followed by more holds something"));
        }
        assert_eq!(seen, all, "{size} at a time");
    }
}

pub async fn waiting_letters_are_counted(store: Store) {
    some(&store).await;
    let count =
        async |generation| store.count(&accounts(), Generation::new(generation)).await.expect("letters can be counted");
    assert_eq!(count(1).await, DeadLetterCount { documents: 2, letters: 3, without_document: 1 });
    assert_eq!(count(2).await, DeadLetterCount { documents: 2, letters: 2, without_document: 0 });
    assert_eq!(count(3).await, DeadLetterCount::default());
}

pub async fn a_letter_is_found_in_its_projection_only(store: Store) {
    some(&store).await;
    let id = cqrs_core::DeadLetterId::of(&target(2, 3), Some("c"), at(4));
    let found = async |name: &str| store.find(&projection(name), id).await.expect("letters can be read");
    assert_eq!(found("accounts").await.and_then(|letter| letter.document).as_deref(), Some("c"));
    assert_eq!(found("another").await, None);
}
