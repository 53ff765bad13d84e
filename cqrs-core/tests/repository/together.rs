//! Commands on several aggregates at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Aggregate, Append, Apply, CommandId, Context, DomainEvent, EventId, EventStore, EventType, ExecuteError,
    ExpectedVersion, GlobalPosition, Handle, Head, NewEvent, Payload, ReadAll, RecordedEvent, Repository,
    StreamFactsStore, StreamName, Together, Version,
};
use cqrs_testkit::{Fault, FaultyEventStore};
use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::counter::{Add, AddOnes, Counter, FillUpTo, Reached, TopUpTo};

/// A second kind of aggregate: how high counters may go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "ceiling")]
pub enum CeilingEvent {
    Set { at: i64 },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "ceiling", id = String, event = CeilingEvent, error = Reached)]
pub struct Ceiling {
    at: i64,
}

pub struct Set(i64);

impl Apply for Ceiling {
    fn apply(&mut self, event: &CeilingEvent) {
        let CeilingEvent::Set { at } = event;
        self.at = *at;
    }
}

impl Handle<Set> for Ceiling {
    fn handle(&self, command: &Set) -> Result<Vec<CeilingEvent>, Reached> {
        Ok(vec![CeilingEvent::Set { at: command.0 }])
    }
}

fn counters(store: &InMemoryEventStore) -> Repository<Counter> {
    crate::repository::<Counter>(store.clone())
}

fn ceilings(store: &InMemoryEventStore) -> Repository<Ceiling> {
    crate::repository::<Ceiling>(store.clone())
}

fn a() -> String {
    "a".to_owned()
}

fn b() -> String {
    "b".to_owned()
}

async fn total(counters: &Repository<Counter>, id: &str) -> i64 {
    counters.load(&id.to_owned()).await.unwrap().map_or(0, |loaded| loaded.state.total)
}

async fn log(store: &InMemoryEventStore) -> Vec<RecordedEvent> {
    store.read_all(ReadAll::after(GlobalPosition::START).limit(10_000)).await.unwrap().events
}

/// A rival, who writes at once.
fn write(store: &InMemoryEventStore, stream: &str, what: &str, payload: &'static str) {
    let event =
        NewEvent::raw(StreamName::new(stream).unwrap(), EventType::new(what).unwrap(), Payload::from_bytes(payload));
    store.append(Append::new(vec![event])).now_or_never().unwrap().unwrap();
}

fn add_a_thousand(store: &InMemoryEventStore, stream: &str) {
    write(store, stream, "counter.added.v1", r#"{"amount":1000}"#);
}

#[tokio::test]
async fn what_happened_to_several_aggregates_is_written_in_one_append_in_the_order_of_the_decisions() {
    let store = InMemoryEventStore::new();
    let (counters, ceilings) = (counters(&store), ceilings(&store));
    let together = Together::new((counters.member(&a()), ceilings.member(&a()), counters.member(&b())));
    let done = together
        .execute(|(one, ceiling, other)| {
            other.handle(&Add(7))?;
            ceiling.handle(&Set(9))?;
            one.handle(&TopUpTo(ceiling.at))?;
            other.handle(&TopUpTo(one.total))
        })
        .await
        .unwrap();
    assert_eq!((done.events, done.position.get(), done.repeated), (4, 4, false));
    let log = log(&store).await;
    let streams: Vec<_> = log.iter().map(|event| event.stream.as_str()).collect();
    assert_eq!(streams, ["counter-b", "ceiling-a", "counter-a", "counter-b"]);
    let appends: Vec<_> = log.iter().map(|event| event.metadata().unwrap().append_id).collect();
    assert!(appends.windows(2).all(|pair| pair[0] == pair[1]), "one append");
    assert_eq!((total(&counters, "a").await, total(&counters, "b").await), (9, 9));
}

#[tokio::test]
async fn nothing_is_written_when_one_of_them_refuses() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    let refused = together.execute(|(one, other)| {
        one.handle(&Add(7))?;
        other.handle(&FillUpTo(0))
    });
    assert!(matches!(refused.await, Err(ExecuteError::Domain(Reached { total: 0 }))));
    assert!(log(&store).await.is_empty());
}

#[tokio::test]
async fn a_decision_that_there_is_nothing_to_do_writes_nothing() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    counters.execute(&a(), Add(5)).await.unwrap();
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    let done = together.execute(|(one, _)| one.handle(&TopUpTo(5))).await.unwrap();
    assert_eq!((done.events, done.position.get(), done.repeated), (0, 1, false));
}

/// Decides once more after a rival wrote to `rival` while it was being decided.
async fn meets(rival: &'static str) -> (i64, i64, usize) {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    counters.execute(&a(), Add(1)).await.unwrap();
    let attempts = AtomicUsize::new(0);
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    let done = together.execute(|(one, other)| {
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            add_a_thousand(&store, rival);
        }
        one.handle(&Add(other.total + 1))
    });
    done.await.unwrap();
    (total(&counters, "a").await, total(&counters, "b").await, attempts.into_inner())
}

#[tokio::test]
async fn a_command_is_decided_again_when_a_rival_wrote_to_an_aggregate_that_it_writes() {
    assert_eq!(meets("counter-a").await, (1_002, 0, 2));
}

#[tokio::test]
async fn a_command_is_decided_again_when_a_rival_wrote_to_an_aggregate_that_it_only_reads() {
    assert_eq!(meets("counter-b").await, (1_002, 1_000, 2));
}

#[tokio::test]
async fn other_aggregates_are_not_in_the_way() {
    assert_eq!(meets("counter-c").await, (2, 0, 1));
}

#[tokio::test]
async fn a_refusal_on_a_state_that_is_past_is_none() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    let attempts = AtomicUsize::new(0);
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    let done = together.execute(|(one, other)| {
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            add_a_thousand(&store, "counter-a");
        }
        match one.total {
            0 => Err(Reached { total: 0 }),
            _ => other.handle(&Add(one.total)),
        }
    });
    assert_eq!(done.await.unwrap().events, 1);
    assert_eq!((total(&counters, "b").await, attempts.into_inner()), (1_000, 2));
}

#[tokio::test]
async fn a_conflict_is_the_callers_after_so_many_retries() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    let attempts = AtomicUsize::new(0);
    let together = Together::new((counters.member(&a()), counters.member(&b()))).conflict_retries(2);
    let outcome = together.execute(|(one, _)| {
        attempts.fetch_add(1, Ordering::SeqCst);
        add_a_thousand(&store, "counter-b");
        one.handle(&Add(1))
    });
    let error = outcome.await.unwrap_err();
    assert!(
        matches!(&error, ExecuteError::Conflict { stream, expected, actual }
            if stream.as_str() == "counter-b" && *actual == Version::new(3)
                && *expected == ExpectedVersion::Exact(Version::new(2).unwrap())),
        "{error:?}"
    );
    assert_eq!((attempts.into_inner(), total(&counters, "a").await), (3, 0));
}

#[tokio::test]
async fn a_command_that_is_repeated_writes_once() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    let command = CommandId::new();
    let context = || Context::new().command_id(command).actor("ann").tag("transfer");
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    let first = together.execute_with(
        |(one, other)| {
            one.handle(&AddOnes(2))?;
            other.handle(&Add(5))
        },
        context(),
    );
    let first = first.await.unwrap();
    counters.execute(&a(), Add(1)).await.unwrap();
    // The same again, nothing to do, and refused: all of them are what the first time led to.
    for again in [
        together
            .execute_with(
                |(one, other)| {
                    one.handle(&AddOnes(2))?;
                    other.handle(&Add(5))
                },
                context(),
            )
            .await,
        together.execute_with(|(one, _)| one.handle(&TopUpTo(1)), context()).await,
        together.execute_with(|(one, _)| one.handle(&FillUpTo(1)), context()).await,
    ] {
        let again = again.unwrap();
        assert_eq!((again.events, again.position, again.repeated), (3, first.position, true));
    }
    let log = log(&store).await;
    assert_eq!(log.len(), 4);
    for (index, event) in (0..).zip(&log[..3]) {
        let metadata = event.metadata().unwrap();
        assert_eq!((event.id, metadata.command_id), (EventId::derive(command, index), Some(command)));
        assert_eq!((metadata.actor.as_deref(), metadata.tags), (Some("ann"), vec!["transfer".to_owned()]));
    }
    // Under the same id, but about others.
    let elsewhere = Together::new((counters.member(&b()), counters.member(&"c".to_owned())));
    let error = elsewhere.execute_with(|(one, _)| one.handle(&FillUpTo(1)), context()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Permanent(_)), "{error:?}");
    let error = counters.execute_with(&b(), FillUpTo(1), context()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Permanent(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_by_the_command_id() {
    let store = FaultyEventStore::<InMemoryEventStore>::default();
    let counters = crate::repository::<Counter>(store.clone());
    let context = Context::new().command_id(CommandId::new());
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    store.faults.next("append", [Fault::After]);
    let add = |context| {
        together.execute_with(
            |(one, other)| {
                one.handle(&Add(3))?;
                other.handle(&Add(4))
            },
            context,
        )
    };
    let lost = add(context.clone()).await;
    assert!(matches!(&lost, Err(ExecuteError::Unknown { event_ids }) if event_ids.len() == 2), "{lost:?}");
    assert!(add(context).await.unwrap().repeated);
    assert_eq!((total(&counters, "a").await, total(&counters, "b").await), (3, 4));
    store.faults.next("append", [Fault::Before]);
    assert!(matches!(add(Context::new()).await, Err(ExecuteError::Transient(_))));
    assert_eq!(total(&counters, "a").await, 3);
}

#[tokio::test]
async fn a_command_that_cannot_be_carried_out_is_permanent_and_writes_nothing() {
    let (store, other) = (InMemoryEventStore::new(), InMemoryEventStore::new());
    let (here, there) = (counters(&store), counters(&other));
    let both = |(one, other): &mut (cqrs_core::Draft<Counter>, cqrs_core::Draft<Counter>)| {
        one.handle(&Add(1))?;
        other.handle(&Add(1))
    };
    let twice = Together::new((here.member(&a()), here.member(&a()))).execute(both).await;
    let apart = Together::new((here.member(&a()), there.member(&b()))).execute(both).await;
    let nameless = Together::new((here.member(&a()), here.member(&String::new()))).execute(both).await;
    let expecting = Context::new().expected(ExpectedVersion::NoStream);
    let expecting = Together::new((here.member(&a()), here.member(&b()))).execute_with(both, expecting).await;
    let none = Together::new(Vec::<cqrs_core::Member<Counter>>::new()).execute(|_| Ok::<_, Reached>(())).await;
    for outcome in [twice, apart, nameless, expecting, none] {
        assert!(matches!(outcome, Err(ExecuteError::Permanent(_))), "{outcome:?}");
    }
    assert!(log(&store).await.is_empty() && log(&other).await.is_empty());
}

#[tokio::test]
async fn an_archived_aggregate_is_told_when_something_happens_to_it() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store);
    counters.execute(&a(), Add(1)).await.unwrap();
    store.archive(&StreamName::new("counter-a").unwrap()).await.unwrap();
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    let refused = together
        .execute(|(one, other)| {
            one.handle(&Add(1))?;
            other.handle(&Add(1))
        })
        .await;
    assert!(
        matches!(&refused, Err(ExecuteError::Archived { stream }) if stream.as_str() == "counter-a"),
        "{refused:?}"
    );
    together.execute(|(one, other)| other.handle(&Add(one.total))).await.unwrap();
}

#[tokio::test]
async fn a_repository_goes_on_after_it_without_a_conflict() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store).conflict_retries(0);
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    for round in 1..=5 {
        for id in [a(), b()] {
            assert_eq!(counters.execute(&id, Add(1)).await.unwrap().events, 1);
        }
        together
            .execute(|(one, other)| {
                one.handle(&Add(10))?;
                other.handle(&Add(100))
            })
            .await
            .unwrap();
        assert_eq!((total(&counters, "a").await, total(&counters, "b").await), (round * 11, round * 101));
    }
}

#[tokio::test]
async fn snapshots_go_on_as_if_each_had_been_written_alone() {
    let store = InMemoryEventStore::new();
    let repository = || counters(&store).snapshots(store.snapshots());
    let counters = repository();
    let together = Together::new((counters.member(&a()), counters.member(&b())));
    for _ in 0..23 {
        together
            .execute(|(one, other)| {
                one.handle(&Add(1))?;
                other.handle(&AddOnes(2))
            })
            .await
            .unwrap();
    }
    let fresh = repository();
    assert_eq!((total(&fresh, "a").await, total(&fresh, "b").await), (23, 46));
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_cross_each_other_lose_and_make_no_money() {
    let store = InMemoryEventStore::new();
    let counters = counters(&store).conflict_retries(1_000);
    let ids: Vec<String> = (0..4).map(|number| number.to_string()).collect();
    for id in &ids {
        counters.execute(id, Add(50)).await.unwrap();
    }
    let tasks: Vec<_> = (0..60)
        .map(|number: usize| {
            let members =
                [number % 4, (number + 1 + number % 3) % 4].map(|index| counters.member(&ids[index])).to_vec();
            tokio::spawn(async move {
                let amount = 1 + number as i64 % 9;
                let transfer = Together::new(members).conflict_retries(1_000);
                let moved = transfer.execute(|accounts| {
                    if accounts[0].total < amount {
                        return Err(Reached { total: accounts[0].total });
                    }
                    accounts[0].handle(&Add(-amount))?;
                    accounts[1].handle(&Add(amount))
                });
                match moved.await {
                    Ok(done) => done.events,
                    Err(ExecuteError::Domain(_)) => 0,
                    Err(error) => panic!("{error:?}"),
                }
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += task.await.unwrap();
    }
    let mut totals = Vec::new();
    for id in &ids {
        totals.push(total(&counters, id).await);
    }
    assert_eq!(totals.iter().sum::<i64>(), 200, "{totals:?}");
    assert!(totals.iter().all(|total| *total >= 0), "{totals:?}");
    let Head { position, .. } = store.head().await.unwrap();
    assert_eq!(position.get() as usize, 4 + written);
}
