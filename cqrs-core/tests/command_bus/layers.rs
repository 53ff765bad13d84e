//! Layers: their order, whom they refuse, how many they let through.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::middleware::{Kind, Refusal, Request, authorise, concurrency_limit, timeout, validate};
use cqrs_core::{CommandBus, Context, ExecuteError, Operation, Repository};
use cqrs_testkit::sample::{Account, Deposit, Open, Withdraw};
use tokio::sync::{Semaphore, mpsc};
use tower::util::MapRequestLayer;

use super::dispatching::{id, open};

type Seen = Arc<Mutex<Vec<String>>>;

/// A layer that notes that it saw a request.
fn noting(
    seen: &Seen,
    layer: &'static str,
) -> MapRequestLayer<impl FnMut(Request) -> Request + Clone + Send + Sync + 'static> {
    let seen = Arc::clone(seen);
    MapRequestLayer::new(move |request: Request| {
        seen.lock().unwrap().push(format!("{layer} {}", request.name()));
        request
    })
}

#[tokio::test]
async fn the_first_layer_is_the_outermost_and_those_of_one_command_come_last() {
    let (seen, accounts) = (Seen::default(), Repository::<Account>::new(InMemoryEventStore::new()));
    let bus = CommandBus::builder()
        .register::<Open>(&accounts)
        .layer(noting(&seen, "1"))
        .layer_for::<Open, _>(noting(&seen, "3"))
        .layer(noting(&seen, "2"))
        .layer_for::<Open, _>(noting(&seen, "4"))
        .register::<Deposit>(&accounts)
        .build()
        .unwrap();
    bus.dispatch(&id(), open(), Context::new()).await.unwrap();
    bus.dispatch(&id(), Deposit::new(1, "VND"), Context::new()).await.unwrap();
    let expected = ["1 Open", "2 Open", "3 Open", "4 Open", "1 Deposit", "2 Deposit"];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_layer_sees_what_is_asked_of_whom_and_by_whom() {
    let (seen, accounts) = (Seen::default(), Repository::<Account>::new(InMemoryEventStore::new()));
    let notes = Arc::clone(&seen);
    let look = MapRequestLayer::new(move |request: Request| {
        let open = request.message::<Open>().map(|open| open.owner.clone());
        assert_eq!((request.kind(), request.message::<Deposit>().is_some()), (Kind::Command, false));
        let (stream, actor, tenant) = (request.stream().unwrap(), request.actor(), request.tenant());
        notes.lock().unwrap().push(format!("{} {stream} {actor:?} {tenant:?} {open:?}", request.name()));
        assert_eq!(request.metadata().command_id, Some(request.command_id()));
        request
    });
    let bus = CommandBus::builder().register::<Open>(&accounts).layer(look).build().unwrap();
    bus.dispatch(&id(), open(), Context::new().actor("teller-7").tenant("branch-3")).await.unwrap();
    let expected = r#"Open account-ACC-001 Some("teller-7") Some("branch-3") Some("Ann")"#;
    assert_eq!(*seen.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_check_refuses_before_anything_is_loaded() {
    let store = crate::stalling_store::StallingStore::default();
    let accounts = Repository::<Account>::new(store.clone());
    let reasons = validate(|request: &Request| match request.metadata().reason {
        Some(_) => Ok(()),
        None => Err(Refusal::invalid("say why")),
    });
    let bus = CommandBus::builder().register::<Open>(&accounts).layer(reasons).build().unwrap();
    let error = bus.dispatch(&id(), open(), Context::new()).await.unwrap_err();
    assert!(matches!(&error, ExecuteError::Refused(Refusal::Invalid { reason }) if reason == "say why"), "{error:?}");
    assert_eq!(store.calls(), 0);
    bus.dispatch(&id(), open(), Context::new().reason("new customer")).await.unwrap();
}

/// Tellers up to 100, managers whatever they like; who is "away" cannot be told.
async fn may(request: Request) -> Result<Request, Refusal> {
    tokio::task::yield_now().await;
    let amount = request.message::<Withdraw>().map_or(0, |withdraw| withdraw.amount);
    match request.actor() {
        Some("manager") => Ok(request),
        Some("teller") if amount <= 100 => Ok(request.map_context(|context| context.tenant("branch-3"))),
        Some("away") => Err(Refusal::unavailable("the directory does not answer")),
        _ => Err(Refusal::forbidden("not so much")),
    }
}

#[tokio::test]
async fn a_hook_decides_by_name_actor_and_message_and_may_say_more_of_the_command() {
    let store = crate::stalling_store::StallingStore::default();
    let accounts = Repository::<Account>::new(store.clone());
    accounts.execute(&id(), open()).await.unwrap();
    accounts.execute(&id(), Deposit::new(1_000, "VND")).await.unwrap();
    let bus = CommandBus::builder().register::<Withdraw>(&accounts).layer(authorise(may)).build().unwrap();
    let withdraw = async |amount, actor| bus.dispatch(&id(), Withdraw { amount }, Context::new().actor(actor)).await;

    let calls = store.calls();
    for (amount, actor) in [(101, "teller"), (1, "stranger")] {
        let error = withdraw(amount, actor).await.unwrap_err();
        assert!(matches!(error, ExecuteError::Refused(Refusal::Forbidden { .. })), "{error:?}");
    }
    let error = withdraw(1, "away").await.unwrap_err();
    assert!(matches!(error, ExecuteError::Transient(_)), "{error:?}");
    assert_eq!(store.calls(), calls, "nothing was loaded");

    withdraw(100, "teller").await.unwrap();
    withdraw(101, "manager").await.unwrap();
    let history = accounts.history(&id()).await.unwrap();
    assert_eq!(history[2].metadata().unwrap().tenant.as_deref(), Some("branch-3"));
    assert_eq!(accounts.load(&id()).await.unwrap().unwrap().state.balance(), 799);
}

#[derive(Clone)]
struct Wait;

impl Operation for Wait {
    type Answer = ();
    type Error = std::fmt::Error;
}

/// A bus on which operations say that they have begun, and go on when they are let.
fn waiting(at_once: usize) -> (CommandBus, mpsc::UnboundedReceiver<()>, Arc<Semaphore>) {
    let (begun, beginnings) = mpsc::unbounded_channel();
    let go_on = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go_on);
    let wait = move |_: Wait, _| {
        let (begun, gate) = (begun.clone(), Arc::clone(&gate));
        async move {
            begun.send(()).unwrap();
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
    };
    let bus = CommandBus::builder().handler(wait).layer(concurrency_limit(at_once)).build().unwrap();
    (bus, beginnings, go_on)
}

#[tokio::test]
async fn no_more_than_so_many_are_handled_at_once_and_none_is_forgotten() {
    let (bus, mut beginnings, go_on) = waiting(2);
    let all: Vec<_> = (0..6)
        .map(|_| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.perform(Wait, Context::new()).await.unwrap() })
        })
        .collect();
    for _ in 0..3 {
        beginnings.recv().await.unwrap();
        beginnings.recv().await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(beginnings.try_recv().is_err(), "the third waits");
        go_on.add_permits(2);
    }
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn a_command_that_is_shed_was_certainly_not_carried_out() {
    let accounts = Repository::<Account>::new(InMemoryEventStore::new());
    let full = tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(Arc::new(Semaphore::new(0)));
    // One layer: what sheds has to see that the limit within is reached.
    let shedding = tower::ServiceBuilder::new().load_shed().layer(full).into_inner();
    let bus = CommandBus::builder().register::<Open>(&accounts).layer(shedding).build().unwrap();
    let error = bus.dispatch(&id(), open(), Context::new()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Transient(_)), "{error:?}");
    assert_eq!(accounts.load(&id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_command_that_has_not_begun_in_time_was_certainly_not_carried_out() {
    let (slots, accounts) = (Arc::new(Semaphore::new(0)), Repository::<Account>::new(InMemoryEventStore::new()));
    let limit = tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(slots);
    let bus = CommandBus::builder().register::<Open>(&accounts).layer(timeout(Duration::from_millis(1)));
    let bus = bus.layer(limit).build().unwrap();
    let error = bus.dispatch(&id(), open(), Context::new()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Transient(_)), "{error:?}");
    assert_eq!(accounts.load(&id()).await.unwrap(), None);
}
