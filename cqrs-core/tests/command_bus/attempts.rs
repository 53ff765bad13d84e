//! Commands that are tried again, and those that nobody waits for any more: what their callers are told.

use std::time::Duration;

use cqrs_core::middleware::{BoxError, Response, retry, timeout};
use cqrs_core::{
    Backoff, CommandBus, CommandBusBuilder, CommandId, Context, EventId, EventStore, ExecuteError, Repository,
};
use cqrs_testkit::sample::{Account, AccountError, Close, Deposit, Open};

use super::dispatching::{id, open};
use super::stalling_store::{Fault, StallingStore};

const SHORT: Duration = Duration::from_millis(5);

pub fn at_once() -> Backoff {
    Backoff::new(Duration::ZERO, Duration::ZERO)
}

fn given() -> (StallingStore, Repository<Account>, CommandBusBuilder) {
    let store = StallingStore::default();
    let accounts = Repository::<Account>::new(store.clone());
    let bus =
        CommandBus::builder().register::<Open>(&accounts).register::<Deposit>(&accounts).register::<Close>(&accounts);
    (store, accounts, bus)
}

async fn open_it(bus: &CommandBus) -> Result<cqrs_core::Executed, ExecuteError<AccountError>> {
    bus.dispatch(&id(), open(), Context::new()).await
}

#[tokio::test]
async fn a_store_that_is_away_for_a_moment_is_not_noticed() {
    let (store, accounts, bus) = given();
    let bus = bus.layer(retry(2, at_once())).build().unwrap();
    store.plan([Fault::Away, Fault::Away]);
    let done = open_it(&bus).await.unwrap();
    assert!(!done.repeated);
    assert_eq!((store.appends(), accounts.history(&id()).await.unwrap().len()), (3, 1));
}

#[tokio::test]
async fn a_store_that_stays_away_is_a_transient_error_after_so_many_attempts() {
    let (store, accounts, bus) = given();
    let bus = bus.layer(retry(2, at_once())).build().unwrap();
    store.plan([Fault::Away; 9]);
    let error = open_it(&bus).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Transient(_)), "{error:?}");
    assert_eq!((store.appends(), accounts.history(&id()).await.unwrap().len()), (3, 0));
}

#[tokio::test]
async fn a_rejection_is_not_tried_again() {
    let (store, _, bus) = given();
    let bus = bus.layer(retry(5, at_once())).build().unwrap();
    let error = bus.dispatch(&id(), Close, Context::new()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Domain(AccountError::NotOpen)), "{error:?}");
    assert_eq!(store.calls(), 1, "it was read once, and nobody asked for an id that was drawn just now");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_out_by_the_next_attempt() {
    for fault in [Fault::LostAnswer, Fault::LostOnTheWay] {
        let (store, accounts, bus) = given();
        let bus = bus.layer(retry(1, at_once())).build().unwrap();
        store.plan([fault]);
        // The second attempt finds an account that is open, which the domain rejects.
        let done = open_it(&bus).await.unwrap();
        assert_eq!((done.events, done.repeated), (1, fault == Fault::LostAnswer));
        assert_eq!(accounts.history(&id()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn nothing_written_is_never_said_while_an_earlier_attempt_may_have_written() {
    let (store, accounts, bus) = given();
    let bus = bus.layer(retry(2, at_once())).build().unwrap();
    let command = CommandId::new();
    // A deposit is decided, and sent, again.
    open_it(&bus).await.unwrap();
    store.plan([Fault::LostAnswer, Fault::Away, Fault::Away]);
    let context = || Context::new().command_id(command);
    let error = bus.dispatch(&id(), Deposit::new(5, "VND"), context()).await.unwrap_err();
    let ExecuteError::Unknown { event_ids } = &error else { panic!("{error:?}") };
    assert_eq!(event_ids, &[EventId::derive(command, 0)]);
    assert!(store.outcome(event_ids).await.unwrap().is_some(), "it is found out");
    let again = bus.dispatch(&id(), Deposit::new(5, "VND"), context()).await.unwrap();
    assert!(again.repeated);
    assert_eq!(accounts.load(&id()).await.unwrap().unwrap().state.balance(), 5);
}

#[tokio::test]
async fn of_a_command_that_was_given_up_the_outcome_is_unknown_and_can_be_found_out() {
    for (fault, written) in [(Fault::WrittenAndSilent, true), (Fault::Silent, false)] {
        let (store, accounts, bus) = given();
        let patient = CommandBus::builder().register::<Open>(&accounts).build().unwrap();
        let bus = bus.layer(timeout(SHORT)).build().unwrap();
        let command = CommandId::new();
        store.plan([fault]);
        let error = bus.dispatch(&id(), open(), Context::new().command_id(command)).await.unwrap_err();
        let ExecuteError::Unknown { event_ids } = &error else { panic!("{error:?}") };
        assert_eq!(event_ids, &[EventId::derive(command, 0)]);
        assert_eq!(store.outcome(event_ids).await.unwrap().is_some(), written);
        let again = patient.dispatch(&id(), open(), Context::new().command_id(command)).await.unwrap();
        assert_eq!(again.repeated, written);
        assert_eq!(accounts.history(&id()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_repeated_under_the_same_id() {
    for fault in [Fault::WrittenAndSilent, Fault::Silent] {
        let (store, accounts, bus) = given();
        // A slow machine takes a few attempts more.
        let bus = bus.layer(retry(1_000, at_once())).layer(timeout(SHORT)).build().unwrap();
        store.plan([fault]);
        let done = open_it(&bus).await.unwrap();
        assert!(done.repeated || fault == Fault::Silent);
        assert_eq!(accounts.history(&id()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_layer_that_fails_after_the_command_was_carried_out_leaves_the_outcome_unknown() {
    let (store, _, bus) = given();
    let failing = tower::util::AndThenLayer::new(async |_| Err::<Response, BoxError>("it could not be counted".into()));
    let bus = bus.layer(failing).build().unwrap();
    let error = open_it(&bus).await.unwrap_err();
    let ExecuteError::Unknown { event_ids } = &error else { panic!("{error:?}") };
    assert!(store.outcome(event_ids).await.unwrap().is_some());
}

#[tokio::test]
async fn a_rejected_command_is_decided_again_under_the_same_id_and_may_then_succeed() {
    let (_, accounts, bus) = given();
    let bus = bus.build().unwrap();
    let context = || Context::new().command_id(CommandId::named(cqrs_core::Timestamp::from_micros(1), "deposit"));
    let deposit = async || bus.dispatch(&id(), Deposit::new(5, "VND"), context()).await;
    assert!(matches!(deposit().await, Err(ExecuteError::Domain(AccountError::NotOpen))));
    open_it(&bus).await.unwrap();
    let first = deposit().await.unwrap();
    let again = deposit().await.unwrap();
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.version, again.position), (first.version, first.position));
    assert_eq!(accounts.load(&id()).await.unwrap().unwrap().state.balance(), 5);
}
