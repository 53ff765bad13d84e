use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::in_memory::{InMemoryDeadLetterStore, InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{Documents, EventStore, Recorded, lookup_key};
use cqrs_projections::testing::given_join;
use cqrs_projections::{
    DeadLetterPermanent, JoinProjector, Lookups, ProjectError, ProjectionError, ProjectionState, Projections, Replay,
    StopReason, WaitError,
};

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
        let (store, sink) = (InMemoryEventStore::new(), FaultySink::default());
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

/// Refuses what members say, until it is mended.
struct Deaf(Arc<AtomicBool>);

impl JoinProjector for Deaf {
    type Event = Happening;
    type Lookup = Club;
    type Document = crate::clubs::Member;

    fn lookups(&self, event: &Recorded<Happening>, to: &mut Vec<String>) {
        Members(1).lookups(event, to);
    }

    fn look_up(
        &self,
        event: &Recorded<Happening>,
        key: &str,
        club: Option<Club>,
    ) -> Result<Option<Club>, ProjectError> {
        Members(1).look_up(event, key, club)
    }

    fn route(&self, event: &Recorded<Happening>, clubs: &Lookups<'_, Club>, to: &mut Vec<String>) {
        Members(1).route(event, clubs, to);
    }

    fn project(
        &self,
        event: &Recorded<Happening>,
        key: &str,
        document: Option<crate::clubs::Member>,
        clubs: &Lookups<'_, Club>,
    ) -> Result<Option<crate::clubs::Member>, ProjectError> {
        match &event.event {
            Happening::Member(Spoke { .. }) if !self.0.load(Ordering::Relaxed) => Err(ProjectError::new("what?")),
            _ => Members(1).project(event, key, document, clubs),
        }
    }
}

#[tokio::test]
async fn a_joined_document_that_refuses_an_event_waits_and_goes_on_with_the_lookups_as_they_are() {
    let (store, sink, mended) = (InMemoryEventStore::new(), InMemoryReadModel::new(), Arc::new(AtomicBool::new(false)));
    let running = Projections::new(store.clone())
        .add_join(NAME, Deaf(Arc::clone(&mended)), sink.clone())
        .dead_letters(InMemoryDeadLetterStore::new())
        .error_policy(DeadLetterPermanent::default())
        .start()
        .await
        .unwrap();
    let events = [joined("a", "red"), joined("b", "red"), spoke("a"), named("red", "Reds"), left("b", "red")];
    let last = append(&store, events.map(happened).into()).await;
    let reached = running.wait_for(last, LONG).await.unwrap();
    let count = reached.dead_letters[0].count;
    assert_eq!((count.documents, count.letters), (1, 2), "the name of the club follows");
    let found = Documents::<crate::clubs::Member>::new(sink.clone(), NAME).unwrap();
    let right = oracle(&store).await;
    assert_eq!(found.get("b").await.unwrap(), right.get("b").cloned());
    assert_eq!(found.get("a").await.unwrap(), Some(member(&["red"], &[(1, &[None])])));

    mended.store(true, Ordering::Relaxed);
    running.dead_letters(NAME).unwrap().replay(Replay::All).await.unwrap();
    // The club has its name by now.
    let expected = member(&["red"], &[(1, &[None]), (3, &[Some("Reds")]), (4, &[Some("Reds")])]);
    crate::ledger::until("a is replayed", || async { found.get("a").await.unwrap().as_ref() == Some(&expected) }).await;
    let last = append(&store, vec![happened(named("red", "Scarlet"))]).await;
    running.wait_for(last, LONG).await.unwrap();
    assert_eq!(found.get("a").await.unwrap().map(|a| a.seen.len()), Some(4));
}

#[tokio::test]
async fn a_lookup_that_cannot_be_folded_stops_the_projection_whatever_becomes_a_dead_letter_else() {
    let (store, sink) = (InMemoryEventStore::new(), InMemoryReadModel::new());
    let running = Projections::new(store.clone())
        .add_join(NAME, Members(1), sink)
        .dead_letters(InMemoryDeadLetterStore::new())
        .error_policy(DeadLetterPermanent::default().events_too())
        .start()
        .await
        .unwrap();
    let last = append(&store, vec![happened(joined("a", "red")), happened(named("red", "nameless"))]).await;
    let waited = running.wait_for(last, LONG).await;
    let Err(WaitError::Stopped { source: Some(error), .. }) = waited else { panic!("{waited:?}") };
    assert!(error.document().is_none() && error.to_string().contains("red"), "{error:?}");
}
