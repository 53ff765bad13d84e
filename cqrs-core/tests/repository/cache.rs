//! What a cache must not hide, and what it is for.

use std::sync::Arc;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Aggregate, Apply, Context, DomainEvent, ExecuteError, Handle, Repository};
use cqrs_testkit::sample::{Account, AccountId, Deposit, Open, Withdraw};
use cqrs_testkit::{Fault, FaultyEventStore};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::claims::{ChangeEmail, LogIn, SignUp, User};
use super::counter::{Add, Counter, FillUpTo, TopUpTo, id};
use super::watched_store::WatchedStore;

fn cached<A: Apply>(store: impl cqrs_core::EventStore) -> Repository<A> {
    Repository::new(store).cache(100)
}

#[tokio::test]
async fn a_command_on_a_cached_aggregate_is_one_append_and_no_read() {
    let store = WatchedStore::default();
    let counters = cached::<Counter>(store.clone());
    counters.execute(&id(), Add(1)).await.unwrap();
    store.events_read();
    store.appends();
    for _ in 0..5 {
        counters.execute(&id(), Add(1)).await.unwrap();
    }
    assert_eq!((store.appends(), store.events_read()), (5, 0));
}

#[tokio::test]
async fn a_rejection_that_the_log_does_not_justify_is_never_given() {
    let store = InMemoryEventStore::new();
    let (here, elsewhere) = (cached::<Account>(store.clone()), cached::<Account>(store));
    let id = AccountId::new("ACC-001");
    here.execute(&id, Open { owner: "Ann".to_owned() }).await.unwrap();
    let rejected = here.execute(&id, Withdraw { amount: 5 }).await;
    assert!(matches!(rejected, Err(ExecuteError::Domain(_))), "{rejected:?}");
    elsewhere.execute(&id, Deposit::new(5, "VND")).await.unwrap();
    here.execute(&id, Withdraw { amount: 5 }).await.expect("the money is there, though the cache did not know");
}

#[tokio::test]
async fn a_cached_state_does_not_say_that_there_is_nothing_to_do() {
    let store = InMemoryEventStore::new();
    let (here, elsewhere) = (cached::<Counter>(store.clone()), cached::<Counter>(store));
    here.execute(&id(), TopUpTo(5)).await.unwrap();
    elsewhere.execute(&id(), Add(-3)).await.unwrap();
    assert_eq!(here.execute(&id(), TopUpTo(5)).await.unwrap().events, 1);
    assert_eq!(here.load(&id()).await.unwrap().unwrap().state.total, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn caches_that_write_the_same_aggregate_lose_nothing() {
    let store = InMemoryEventStore::new();
    let caches: Vec<_> = (0..4).map(|_| cached::<Counter>(store.clone()).conflict_retries(1_000)).collect();
    let added = join_all((0..200).map(|number| {
        let counters = caches[number % 4].clone();
        tokio::spawn(async move { counters.execute(&id(), Add(1)).await })
    }));
    for added in added.await {
        added.unwrap().unwrap();
    }
    assert_eq!(caches[0].load(&id()).await.unwrap().unwrap().state.total, 200);
}

#[tokio::test]
async fn commands_that_wait_for_one_aggregate_are_written_together_each_on_the_state_before_it() {
    let store = WatchedStore::default();
    let counters = cached::<Counter>(store.clone());
    let key = id();
    let done = join_all((0..100).map(|_| counters.execute(&key, Add(1)))).await;
    let mut versions: Vec<_> = done.into_iter().map(|done| done.unwrap().version.unwrap().get()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=100).collect::<Vec<_>>());
    assert!(store.appends() <= 10, "a hundred commands need few appends");
}

#[tokio::test]
async fn of_commands_that_wait_together_only_those_succeed_that_the_state_before_them_allows() {
    let store = WatchedStore::default();
    let counters = cached::<Counter>(store.clone());
    let key = id();
    let done = join_all((0..20).map(|_| counters.execute(&key, FillUpTo(3)))).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "the first fills up, the others are rejected");
    assert_eq!(counters.load(&id()).await.unwrap().unwrap().state.total, 3);
}

#[tokio::test]
async fn a_claim_that_is_refused_costs_the_commands_around_it_few_appends() {
    let store = WatchedStore::default();
    let users = cached::<User>(store.clone());
    let (ann, bob) = ("ann".to_owned(), "bob".to_owned());
    users.execute(&ann, SignUp("ann@example.com")).await.unwrap();
    users.execute(&bob, SignUp("bob@example.com")).await.unwrap();
    store.appends();
    let before = join_all((0..100).map(|_| users.execute(&bob, LogIn)));
    let refused = users.execute(&bob, ChangeEmail("ann@example.com".to_owned()));
    let after = join_all((0..100).map(|_| users.execute(&bob, LogIn)));
    let (before, refused, after) = futures::join!(before, refused, after);
    assert!(matches!(refused, Err(ExecuteError::Claimed { .. })), "{refused:?}");
    assert!(before.iter().chain(&after).all(Result::is_ok));
    let appends = store.appends();
    assert!(appends <= 20, "two hundred commands and a refused one need few appends, not {appends}");
}

#[tokio::test]
async fn a_lost_answer_is_unknown_to_each_command_by_its_own_events() {
    let store = FaultyEventStore::<InMemoryEventStore>::default();
    let counters = cached::<Counter>(store.clone());
    counters.execute(&id(), Add(1)).await.unwrap();
    store.faults.next("append", [Fault::After]);
    let error = counters.execute(&id(), Add(1)).await.unwrap_err();
    let ExecuteError::Unknown { event_ids } = error else { panic!("{error:?}") };
    let written = cqrs_core::EventStore::outcome(&store, &event_ids).await.unwrap();
    assert!(written.is_some(), "it was written, only the answer was lost");
    counters.execute(&id(), Add(1)).await.unwrap();
    assert_eq!(counters.load(&id()).await.unwrap().unwrap().state.total, 3);
}

#[tokio::test]
async fn after_a_failure_the_next_command_starts_from_the_log() {
    let store = FaultyEventStore::<InMemoryEventStore>::default();
    let counters = cached::<Counter>(store.clone());
    counters.execute(&id(), Add(1)).await.unwrap();
    store.faults.next("append", [Fault::Before]);
    assert!(matches!(counters.execute(&id(), Add(1)).await, Err(ExecuteError::Transient(_))));
    assert_eq!(counters.execute(&id(), Add(1)).await.unwrap().version.unwrap().get(), 2);
}

#[derive(Clone, Debug, Serialize, Deserialize, DomainEvent)]
#[event(domain = "page")]
enum PageEvent {
    Written { text: String },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "page", id = String, event = PageEvent, error = std::fmt::Error)]
struct Page {
    texts: usize,
}

impl Apply for Page {
    fn apply(&mut self, event: &PageEvent) {
        let PageEvent::Written { .. } = event;
        self.texts += 1;
    }
}

struct Write(String);

impl Handle<Write> for Page {
    fn handle(&self, command: &Write) -> Result<Vec<PageEvent>, std::fmt::Error> {
        assert!(command.0 != "panic", "this command panics");
        Ok(vec![PageEvent::Written { text: command.0.clone() }])
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_written_fails_alone() {
    let pages = cached::<Page>(InMemoryEventStore::new());
    let texts = ["one".to_owned(), "x".repeat(2 << 20), "two".to_owned(), "nul \0".to_owned(), "three".to_owned()];
    let key = "a".to_owned();
    let done = join_all(texts.map(|text| pages.execute(&key, Write(text)))).await;
    assert_eq!(done.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, true]);
    assert_eq!(pages.load(&"a".to_owned()).await.unwrap().unwrap().state.texts, 3);
}

#[tokio::test]
async fn a_decision_that_panics_leaves_nobody_waiting() {
    let pages = Arc::new(cached::<Page>(InMemoryEventStore::new()));
    let key = "a".to_owned();
    pages.execute(&key, Write("one".to_owned())).await.unwrap();
    let together = ["panic", "two"].map(|text| {
        let (pages, key) = (Arc::clone(&pages), key.clone());
        tokio::spawn(async move { pages.execute(&key, Write(text.to_owned())).await })
    });
    let [panicked, _] = join_all(together).await.try_into().unwrap();
    assert!(matches!(panicked.unwrap(), Err(ExecuteError::Permanent(_))));
    pages.execute(&key, Write("three".to_owned())).await.expect("the aggregate goes on");
}

#[tokio::test]
async fn a_command_whose_caller_goes_away_leaves_no_half_state() {
    let store = InMemoryEventStore::new();
    let counters = cached::<Counter>(store);
    for turns in 0..20 {
        let task = tokio::spawn({
            let counters = counters.clone();
            async move { counters.execute_with(&id(), Add(1), Context::new()).await }
        });
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        let before = counters.load(&id()).await.unwrap().map_or(0, |counter| counter.state.total);
        counters.execute(&id(), Add(1)).await.unwrap();
        let after = counters.load(&id()).await.unwrap().unwrap();
        assert_eq!(after.state.total.cast_unsigned(), after.version.get());
        assert!(after.state.total > before);
    }
}
