//! History of former programs: one recorded event that is two events today touches its documents as one, or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cqrs_core::in_memory::{InMemoryCheckpointStore, InMemoryDeadLetterStore, InMemoryReadModel};
use cqrs_core::{AsOf, Documents, EventType, GlobalPosition, NewEvent, Payload, Recorded, StreamName};
use cqrs_projections::testing::{given, given_join};
use cqrs_projections::{
    DeadLetterPermanent, JoinProjector, Lookups, ProjectError, Projections, Projector, ReactError, Reactions, Reactor,
    Replay, documents_as_of,
};
use cqrs_testkit::sample::{AccountEvent, FORMER_ACCOUNT};

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, append, quick, until};

mod sign_up;

const NAME: &str = "entries";

/// What came to an account and went from it, in order; and likewise of all accounts together what came and what went, which
/// are touched by one half each of a correction.
#[derive(Clone, Default)]
struct Entries {
    /// Refuses deposits of 80, which are second halves.
    refuses: Arc<AtomicBool>,
}

fn amount(event: &AccountEvent) -> i64 {
    match event {
        AccountEvent::Deposited { amount, .. } => *amount,
        AccountEvent::Withdrawn { amount } => -amount,
        _ => 0,
    }
}

fn touched(event: &Recorded<AccountEvent>, to: &mut Vec<String>) {
    to.push(event.stream.id().to_owned());
    to.push(if amount(&event.event) < 0 { "went" } else { "came" }.to_owned());
}

impl Projector for Entries {
    type Event = AccountEvent;
    type Document = Vec<i64>;

    fn route(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) {
        touched(event, to);
    }

    fn project(
        &self,
        event: &Recorded<AccountEvent>,
        key: &str,
        document: Option<Vec<i64>>,
    ) -> Result<Option<Vec<i64>>, ProjectError> {
        let amount = amount(&event.event);
        if amount == 80 && key == "1" && self.refuses.load(Ordering::SeqCst) {
            return Err(ProjectError::new("80 is refused"));
        }
        let mut entries = document.unwrap_or_default();
        entries.push(amount);
        Ok(Some(entries))
    }
}

/// The same, with the account's own entries as a lookup.
struct Joined;

impl JoinProjector for Joined {
    type Event = AccountEvent;
    type Lookup = Vec<i64>;
    type Document = Vec<Vec<i64>>;

    fn lookups(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) {
        to.push(event.stream.id().to_owned());
    }

    fn look_up(
        &self,
        event: &Recorded<AccountEvent>,
        _: &str,
        entries: Option<Vec<i64>>,
    ) -> Result<Option<Vec<i64>>, ProjectError> {
        let mut entries = entries.unwrap_or_default();
        entries.push(amount(&event.event));
        Ok(Some(entries))
    }

    fn route(&self, _: &Recorded<AccountEvent>, _: &Lookups<'_, Vec<i64>>, to: &mut Vec<String>) {
        to.push("all".to_owned());
    }

    fn project(
        &self,
        event: &Recorded<AccountEvent>,
        _: &str,
        document: Option<Vec<Vec<i64>>>,
        entries: &Lookups<'_, Vec<i64>>,
    ) -> Result<Option<Vec<Vec<i64>>>, ProjectError> {
        let mut all = document.unwrap_or_default();
        all.extend(entries.get(event.stream.id()).map(|entries| entries.to_vec()));
        Ok(Some(all))
    }
}

fn recorded(account: u32, (event_type, payload): (&str, &str)) -> NewEvent {
    let stream = StreamName::of("account", &account).unwrap();
    NewEvent::raw(stream, EventType::new(event_type).unwrap(), Payload::from_bytes(payload.to_owned()))
}

/// The events of so many accounts, one after the other of each.
fn history(accounts: u32) -> Vec<NewEvent> {
    let of_all = |event: (&'static str, &'static str)| (1..=accounts).map(move |account| recorded(account, event));
    FORMER_ACCOUNT.into_iter().flat_map(of_all).collect()
}

const OF_ONE: [i64; 5] = [0, 100, -100, 80, 20];

fn of_all(accounts: u32) -> BTreeMap<String, Vec<i64>> {
    let times = accounts as usize;
    let came = [0, 100, 80, 20].into_iter().flat_map(|amount| vec![amount; times]).collect();
    let own = (1..=accounts).map(|account| (account.to_string(), OF_ONE.to_vec()));
    own.chain([("came".to_owned(), came), ("went".to_owned(), vec![-100; times])]).collect()
}

async fn found(sink: &InMemoryReadModel, accounts: u32) -> BTreeMap<String, Vec<i64>> {
    let documents = Documents::<Vec<i64>>::new(sink.clone(), NAME).unwrap();
    let mut found = BTreeMap::new();
    for key in (1..=accounts).map(|account| account.to_string()).chain(["came".to_owned(), "went".to_owned()]) {
        if let Some(document) = documents.get(&key).await.unwrap() {
            found.insert(key, document);
        }
    }
    found
}

#[test]
fn a_projector_is_given_today_s_events() {
    given(Entries::default(), history(2)).then_documents(of_all(2).iter().map(|(key, entries)| (&**key, entries)));
}

#[test]
fn a_joined_document_is_given_them_with_the_lookups_of_their_time() {
    let seen: Vec<Vec<i64>> = (1..=5).map(|length| OF_ONE[..length].to_vec()).collect();
    given_join(Joined, history(1)).then_documents([("all", seen)]);
}

#[tokio::test]
async fn batches_that_are_torn_lost_or_repeated_leave_each_half_once_live_and_rebuilt() {
    for page in [1, 2, 3, 7, 1_000] {
        for fault in [Fault::Before, Fault::After, Fault::Torn] {
            let (store, sink) = (FaultyStore::default().page(page), FaultySink::default());
            let last = append(&store, history(3)).await;
            sink.faults.next("apply", [fault, Fault::None, fault, fault, Fault::None, fault]);
            let projections = Projections::new(store.clone()).add(NAME, Entries::default(), sink.clone());
            let running = projections.error_policy(quick()).start().await.unwrap();
            running.wait_for(last, LONG).await.unwrap();
            assert_eq!(found(&sink.inner(), 3).await, of_all(3), "live, {fault:?}, pages of {page}");

            sink.faults.next("fill", [fault, Fault::None, fault]);
            running.rebuild(NAME).batch(page).await.unwrap();
            assert_eq!(found(&sink.inner(), 3).await, of_all(3), "rebuilt, {fault:?}, pages of {page}");
        }
    }
}

#[tokio::test]
async fn a_past_moment_of_a_read_model_holds_both_halves_or_none() {
    let store = FaultyStore::default();
    append(&store, history(1)).await;
    for (position, length) in [(3, 2), (4, 4), (5, 5)] {
        let as_of = AsOf::Position(GlobalPosition::new(position));
        let then = documents_as_of(Entries::default(), store.clone(), as_of).await.unwrap();
        assert_eq!(then.get("1").await.unwrap(), Some(OF_ONE[..length].to_vec()), "at {position}");
    }
}

#[tokio::test]
async fn a_document_that_refuses_one_half_waits_before_both_and_is_replayed_with_both() {
    let (store, sink, letters) = (FaultyStore::default(), FaultySink::default(), InMemoryDeadLetterStore::new());
    let entries = Entries::default();
    entries.refuses.store(true, Ordering::SeqCst);
    let projections = Projections::new(store.clone()).dead_letters(letters).add(NAME, entries.clone(), sink.clone());
    let running = projections.error_policy(DeadLetterPermanent::default()).start().await.unwrap();
    let last = append(&store, history(2)).await;
    running.wait_for(last, LONG).await.unwrap();

    let mut waiting = of_all(2);
    waiting.insert("1".to_owned(), OF_ONE[..2].to_vec());
    assert_eq!(found(&sink.inner(), 2).await, waiting, "nothing of the correction, nor what follows it");
    let parked = running.dead_letters(NAME).unwrap();
    let listed = parked.list(&parked.all()).await.unwrap().letters;
    let letters: Vec<_> = listed.iter().map(|letter| letter.event.event_type.as_str()).collect();
    assert_eq!(letters, ["account.corrected.v1", "account.deposited.v2"], "one letter for a recorded event");

    entries.refuses.store(false, Ordering::SeqCst);
    parked.replay(Replay::All).await.unwrap();
    until("the letters are replayed", async || parked.list(&parked.all()).await.unwrap().letters.is_empty()).await;
    assert_eq!(found(&sink.inner(), 2).await, of_all(2));
}

/// Notes what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(i64, u64)>>>);

#[async_trait]
impl Reactor for Told {
    type Event = AccountEvent;

    async fn react(&self, event: &Recorded<AccountEvent>) -> Result<(), ReactError> {
        self.0.lock().unwrap().push((amount(&event.event), event.version.get()));
        Ok(())
    }
}

#[tokio::test]
async fn a_reactor_is_told_of_both_halves_in_their_order() {
    let (store, told) = (FaultyStore::default(), Told::default());
    let last = append(&store, history(1)).await;
    let reactions = Reactions::new(store, InMemoryCheckpointStore::new()).add_from_beginning(NAME, told.clone());
    let running = reactions.start().await.unwrap();
    running.wait_for(last, LONG).await.unwrap();
    assert_eq!(*told.0.lock().unwrap(), [(0, 1), (100, 2), (-100, 4), (80, 4), (20, 5)]);
}
