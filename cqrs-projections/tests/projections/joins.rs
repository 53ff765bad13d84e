use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{Documents, EventStore, lookup_key};
use cqrs_projections::testing::given_join;
use cqrs_projections::{ProjectionError, ProjectionState, Projections, StopReason, WaitError};

use crate::clubs::ClubEvent::{Closed, Named};
use crate::clubs::MemberEvent::{Joined, Left, Spoke};
use crate::clubs::{Club, Happening, Members, documents, happened, oracle};
use crate::faulty::{Fault, FaultySink};
use crate::ledger::{LONG, append, quick};

const NAME: &str = "members";

fn joined(member: &str, club: &str) -> Happening {
    Joined { member: member.to_owned(), club: club.to_owned() }.into()
}

fn left(member: &str, club: &str) -> Happening {
    Left { member: member.to_owned(), club: club.to_owned() }.into()
}

fn spoke(member: &str) -> Happening {
    Spoke { member: member.to_owned() }.into()
}

fn named(club: &str, name: &str) -> Happening {
    Named { club: club.to_owned(), name: name.to_owned() }.into()
}

fn member(clubs: &[&str], seen: &[(u64, &[Option<&str>])]) -> crate::clubs::Member {
    let names = |names: &[Option<&str>]| names.iter().map(|name| name.map(str::to_owned)).collect();
    crate::clubs::Member {
        clubs: clubs.iter().map(|club| (*club).to_owned()).collect(),
        seen: seen.iter().map(|(position, of)| (*position, names(of))).collect(),
    }
}

#[test]
fn what_is_looked_up_is_followed_and_filled_in_when_it_comes_late() {
    let events = [
        joined("a", "red"),
        named("red", "Reds"),
        joined("b", "red"),
        named("red", "Scarlet"),
        left("a", "red"),
        named("red", "Crimson"),
    ];
    given_join(Members(1), events.map(happened)).then_documents([
        ("a", member(&[], &[(1, &[None]), (2, &[Some("Reds")]), (4, &[Some("Scarlet")]), (5, &[])])),
        ("b", member(&["red"], &[(3, &[Some("Reds")]), (4, &[Some("Scarlet")]), (6, &[Some("Crimson")])])),
    ]);
}

#[test]
fn a_lookup_that_is_removed_is_gone() {
    let events = [joined("a", "red"), named("red", "Reds"), Closed { club: "red".to_owned() }.into(), spoke("a")];
    given_join(Members(1), events.map(happened))
        .then_document("a", &member(&["red"], &[(1, &[None]), (2, &[Some("Reds")]), (4, &[None])]));
}

#[test]
fn a_lookup_that_cannot_be_folded_is_an_error() {
    given_join(Members(1), [happened(named("red", "nameless"))]).then_error("a bad name");
}

/// Keys of two partitions, of two.
fn apart() -> (String, String) {
    let of = |key: &str| cqrs_core::Partitions::new(2).unwrap().of(key);
    let club = "red".to_owned();
    let member = ('a'..='z').map(String::from).find(|key| of(key) != of(&lookup_key(&club))).unwrap();
    (member, club)
}

#[tokio::test]
async fn a_document_that_looks_up_what_lies_in_another_partition_is_refused() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    let running = Projections::new(store.clone()).add_join(NAME, Members(2), sink).start().await.unwrap();
    let (member, club) = apart();
    let position = append(&store, vec![happened(joined(&member, &club))]).await;
    let error = running.wait_for(position, LONG).await.unwrap_err();
    let WaitError::Stopped { source: Some(ProjectionError::Project { key, source, .. }), .. } = error else {
        panic!("{error:?}")
    };
    assert!(key == member && source.reason().contains("lies in another partition"), "{source}");
    assert_eq!(running.status().await[0].state, ProjectionState::Stopped(StopReason::Failed));
}

#[tokio::test]
async fn lookups_are_no_documents_and_survive_a_restart_and_a_rebuild() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    let start = || Projections::new(store.clone()).add_join(NAME, Members(3), sink.clone()).start();
    let running = start().await.unwrap();
    append(&store, [joined("{north}m0", "{north}c0"), named("{north}c0", "Reds")].map(happened).into()).await;
    running.stop().await;

    let running = start().await.unwrap();
    let position = append(&store, [named("{north}c0", "Scarlet"), spoke("{east}m1")].map(happened).into()).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink, NAME).await, oracle(&store).await);
    running.rebuild(NAME).await.unwrap();
    let position =
        append(&store, [named("{north}c0", "Crimson"), left("{north}m0", "{north}c0")].map(happened).into()).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink, NAME).await, oracle(&store).await);
    running.stop().await;

    let clubs = Documents::<Club>::new(sink, NAME).unwrap();
    for key in ["{north}c0".to_owned(), lookup_key("{north}c0")] {
        assert_eq!(clubs.get(&key).await.unwrap(), None, "{key:?}");
    }
}

#[tokio::test]
async fn a_batch_that_is_torn_is_folded_again_with_the_lookups_of_before() {
    for names in 1..12 {
        let (store, sink) = (InMemoryEventStore::new(), FaultySink::new());
        let mut events = vec![joined("{north}m0", "{north}c0"), joined("{north}m1", "{north}c0")];
        events.extend((0..names).map(|name| named("{north}c0", &name.to_string())));
        append(&store, events.into_iter().map(happened).collect()).await;
        sink.faults.next("apply", [Fault::Torn]);
        let running = Projections::new(store.clone()).add_join(NAME, Members(1), sink.clone()).error_policy(quick());
        let running = running.start().await.unwrap();
        running.wait_for(store.head().await.unwrap().position, LONG).await.unwrap();
        assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store).await, "{names} names");
        running.stop().await;
    }
}
