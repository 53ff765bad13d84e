//! The contract of [`DeadLetterStore`]: one function per behaviour, each on a store of its own.

use std::sync::Arc;

use cqrs_core::{
    DeadLetter, DeadLetterCause, DeadLetterEvent, DeadLetterFailure, DeadLetterId, DeadLetterOwner, DeadLetterStore,
    EventId, EventType, FencingToken, Generation, GlobalPosition, ListDeadLetters, NewDeadLetter, ParkedDocuments,
    ProjectionName, StoreError, StreamName, Target,
};

pub mod discarding;
pub mod keeping;
pub mod listing;
pub mod owning;
pub mod replaying;

pub(crate) type Store = Arc<dyn DeadLetterStore>;

pub(crate) fn projection(name: &str) -> ProjectionName {
    ProjectionName::new(name).expect("the suite names its projections well")
}

pub(crate) fn accounts() -> ProjectionName {
    projection("accounts")
}

pub(crate) fn at(position: u64) -> GlobalPosition {
    GlobalPosition::new(position)
}

/// A partition of the projection `accounts`.
pub(crate) fn target(generation: u32, partition: u16) -> Target {
    Target { projection: accounts(), generation: Generation::new(generation), partition }
}

pub(crate) fn owner(target: Target, token: u64) -> DeadLetterOwner {
    DeadLetterOwner { target, token: FencingToken::new(token) }
}

pub(crate) async fn take_over(store: &Store, owner: &DeadLetterOwner, checkpoint: u64) -> ParkedDocuments {
    store.take_over(owner, at(checkpoint)).await.expect("the letters are taken over")
}

/// An owner of the first partition of the first generation of `accounts`, with token 1.
pub(crate) async fn owned(store: &Store) -> DeadLetterOwner {
    owned_of(store, target(1, 0)).await
}

pub(crate) async fn owned_of(store: &Store, target: Target) -> DeadLetterOwner {
    let owner = owner(target, 1);
    take_over(store, &owner, 0).await;
    owner
}

pub(crate) fn event(position: u64) -> DeadLetterEvent {
    DeadLetterEvent {
        id: EventId::new(),
        position: at(position),
        event_type: EventType::new("account.deposited.v1").expect("the suite names its events well"),
        stream: StreamName::new("account-ACC-001").expect("the suite names its streams well"),
    }
}

pub(crate) fn failure(error: &str) -> DeadLetterFailure {
    DeadLetterFailure::new(DeadLetterCause::Projector, error, 1)
}

pub(crate) fn failed(document: &str, position: u64) -> NewDeadLetter {
    NewDeadLetter { document: Some(document.to_owned()), event: event(position), failure: Some(failure("refused")) }
}

pub(crate) fn following(document: &str, position: u64) -> NewDeadLetter {
    NewDeadLetter { failure: None, ..failed(document, position) }
}

pub(crate) fn without_document(position: u64) -> NewDeadLetter {
    let failure = DeadLetterFailure::new(DeadLetterCause::Event, "no JSON", 1);
    NewDeadLetter { document: None, event: event(position), failure: Some(failure) }
}

pub(crate) fn id(owner: &DeadLetterOwner, document: &str, position: u64) -> DeadLetterId {
    DeadLetterId::of(&owner.target, Some(document), at(position))
}

pub(crate) async fn keep(store: &Store, owner: &DeadLetterOwner, letters: Vec<NewDeadLetter>) {
    store.keep(owner, letters).await.expect("the letters are kept");
}

pub(crate) async fn waiting(store: &Store, owner: &DeadLetterOwner, document: &str) -> Vec<DeadLetter> {
    store.waiting(&owner.target, document, 1_000).await.expect("letters can be read")
}

/// The positions of a document's waiting letters.
pub(crate) async fn positions(store: &Store, owner: &DeadLetterOwner, document: &str) -> Vec<u64> {
    waiting(store, owner, document).await.iter().map(|letter| letter.event.position.get()).collect()
}

pub(crate) async fn find(store: &Store, id: DeadLetterId) -> DeadLetter {
    store.find(&accounts(), id).await.expect("letters can be read").expect("there is such a letter")
}

pub(crate) async fn list(store: &Store, list: ListDeadLetters) -> Vec<DeadLetter> {
    store.list(&list).await.expect("letters can be read").letters
}

pub(crate) async fn to_replay(store: &Store, owner: &DeadLetterOwner) -> Vec<String> {
    store.to_replay(&owner.target, 100).await.expect("marks can be read")
}

pub(crate) async fn replay(store: &Store, document: Option<&str>) -> u64 {
    store.replay(&accounts(), document).await.expect("documents can be marked")
}

pub(crate) async fn discard(store: &Store, id: DeadLetterId, reason: &str) -> bool {
    store.discard(&accounts(), id, reason).await.expect("the store answers")
}

pub(crate) async fn settle(store: &Store, owner: &DeadLetterOwner, document: &str, up_to: u64) {
    store.settle(owner, document, at(up_to)).await.expect("the letters are settled");
}

#[track_caller]
pub(crate) fn assert_fenced<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Fenced { .. })), "fenced; but it is {answer:?}");
}
