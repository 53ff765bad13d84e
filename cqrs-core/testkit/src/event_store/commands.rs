//! Commands that come again under their id, on repositories over the store.

use std::sync::Arc;

use cqrs_core::{AsOf, CommandBus, CommandId, Context, EventId, ExecuteError, Executed, Repository};

use super::parallel::together;
use super::{Store, log};
use crate::sample::{Account, AccountError, AccountId, Close, Deposit, Open, Withdraw};

type Outcome = Result<Executed, ExecuteError<AccountError>>;

fn id() -> AccountId {
    AccountId::new("ACC-001")
}

/// Two repositories, as two processes have them: one of them keeps aggregates in memory.
fn two(store: &Store) -> [Repository<Account>; 2] {
    let accounts = Repository::new(Arc::clone(store)).conflict_retries(1_000);
    [accounts.clone(), accounts.cache(10)]
}

async fn opened(store: &Store) -> [Repository<Account>; 2] {
    let accounts = two(store);
    accounts[0].execute(&id(), Open { owner: "Ann".to_owned() }).await.expect("the account is opened");
    accounts
}

fn under(command: CommandId) -> Context {
    Context::new().command_id(command)
}

async fn balance(store: &Store) -> i64 {
    let found = two(store)[0].load(&id()).await.expect("the account can be loaded");
    found.expect("the account is open").state.balance()
}

#[track_caller]
fn assert_first(again: Outcome, first: &Executed) {
    let again = again.expect("it was carried out before");
    assert!(again.repeated, "it wrote nothing");
    assert_same(&again, first);
}

/// The same outcome, whether it is that of the first time or a repeated one.
#[track_caller]
fn assert_same(again: &Executed, first: &Executed) {
    let mut expected = first.clone();
    expected.repeated = again.repeated;
    assert_eq!(*again, expected, "the first outcome");
}

pub async fn a_command_that_comes_again_gets_the_first_outcome_whoever_is_asked(store: Store) {
    let accounts = opened(&store).await;
    for first in [0, 1] {
        let (command, deposit) = (CommandId::new(), || Deposit::new(5, "VND"));
        let done = accounts[first].execute_with(&id(), deposit(), under(command)).await.expect("it is carried out");
        accounts[1 - first].execute(&id(), Deposit::new(1, "VND")).await.expect("the account goes on");
        for repository in accounts.iter().chain(&two(&store)) {
            assert_first(repository.execute_with(&id(), deposit(), under(command)).await, &done);
        }
    }
    assert_eq!(balance(&store).await, 12);
}

pub async fn a_command_that_would_be_rejected_by_now_gets_the_first_outcome(store: Store) {
    let accounts = opened(&store).await;
    let command = CommandId::new();
    accounts[0].execute(&id(), Deposit::new(5, "VND")).await.expect("it is carried out");
    let withdraw = || Withdraw { amount: 5 };
    let done = accounts[1].execute_with(&id(), withdraw(), under(command)).await.expect("it is carried out");
    accounts[0].execute(&id(), Close).await.expect("the account is closed");
    for repository in &accounts {
        assert_first(repository.execute_with(&id(), withdraw(), under(command)).await, &done);
        let other = repository.execute_with(&id(), withdraw(), under(CommandId::new())).await;
        assert!(matches!(other, Err(ExecuteError::Domain(AccountError::Closed))), "{other:?}");
    }
}

pub async fn a_command_that_was_rejected_is_decided_again_and_may_then_succeed(store: Store) {
    let accounts = opened(&store).await;
    let (command, withdraw) = (CommandId::new(), || Withdraw { amount: 5 });
    for repository in &accounts {
        let rejected = repository.execute_with(&id(), withdraw(), under(command)).await;
        assert!(matches!(rejected, Err(ExecuteError::Domain(_))), "{rejected:?}");
    }
    accounts[0].execute(&id(), Deposit::new(9, "VND")).await.expect("it is carried out");
    let done = accounts[1].execute_with(&id(), withdraw(), under(command)).await.expect("it is covered by now");
    assert!(!done.repeated);
    for repository in &accounts {
        assert_first(repository.execute_with(&id(), withdraw(), under(command)).await, &done);
    }
    assert_eq!(balance(&store).await, 4);
}

pub async fn a_command_that_had_nothing_to_do_is_decided_again(store: Store) {
    let accounts = opened(&store).await;
    accounts[0].execute(&id(), Close).await.expect("the account is closed");
    let command = CommandId::new();
    for repository in &accounts {
        let nothing = repository.execute_with(&id(), Close, under(command)).await.expect("it is closed already");
        assert_eq!((nothing.events, nothing.repeated), (0, false));
    }
    assert_eq!(log(&store).await.len(), 2);
}

pub async fn parallel_repetitions_of_a_command_write_once_and_all_get_the_first_outcome(store: Store) {
    let accounts = opened(&store).await;
    for round in 0..10 {
        let command = CommandId::new();
        let repetitions = (0..8).map(|number| {
            // Three that share what they keep in memory, and others that share nothing.
            let repository = if number < 3 { accounts[1].clone() } else { two(&store)[number % 2].clone() };
            async move { repository.execute_with(&id(), Deposit::new(1, "VND"), under(command)).await }
        });
        let outcomes = together(repetitions).await;
        let done: Vec<_> = outcomes.into_iter().map(|outcome| outcome.expect("it is carried out")).collect();
        let first: Vec<_> = done.iter().filter(|outcome| !outcome.repeated).collect();
        assert_eq!(first.len(), 1, "round {round}");
        for outcome in &done {
            assert_same(outcome, first[0]);
        }
        assert_eq!(balance(&store).await, round + 1);
    }
}

pub async fn a_command_whose_caller_has_gone_is_found_out_by_repeating_it(store: Store) {
    let accounts = opened(&store).await;
    for turns in 0..30 {
        let (command, repository) = (CommandId::new(), accounts[turns % 2].clone());
        let bus = CommandBus::builder().register::<Deposit>(&repository).build().expect("a bus of one command");
        let dispatch =
            move |bus: CommandBus| async move { bus.dispatch(&id(), Deposit::new(1, "VND"), under(command)).await };
        let running = tokio::spawn(dispatch(bus.clone()));
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        running.abort();
        let answered = running.await.ok();
        let again = dispatch(bus).await.expect("it is carried out, now or before");
        if let Some(first) = answered {
            assert_first(Ok(again), &first.expect("it is carried out"));
        }
        let written = log(&store).await.iter().filter(|event| event.id == EventId::derive(command, 0)).count();
        assert_eq!(written, 1);
    }
    assert_eq!(balance(&store).await, 30);
}

pub async fn what_was_known_at_one_time_of_what_had_happened_by_another_never_changes(store: Store) {
    let [accounts, cached] = opened(&store).await;
    let opened_at = accounts.history(&id()).await.expect("the account has a history")[0].recorded_at;
    // All of them before the account was opened, whatever the store's clock shows.
    let day = |number: i64| opened_at.plus_micros((number - 10) * 86_400_000_000);
    // Recorded in another order than they happened in.
    for (amount, happened) in [(1, 5), (10, 1), (100, 9), (1_000, 3)] {
        let context = Context::new().occurred_at(day(happened));
        accounts.execute_with(&id(), Deposit::new(amount, "VND"), context).await.expect("it is carried out");
    }
    let history = accounts.history(&id()).await.expect("the account has a history");
    for (recorded, occurred, expected) in [
        (2, 5, Some(1)),
        (3, 4, Some(10)),
        (3, 5, Some(11)),
        (4, 4, Some(10)),
        (5, 4, Some(1_010)),
        (5, 9, Some(1_111)),
        (5, 0, None),
        (2, 4, None),
    ] {
        let recorded = history[recorded - 1].recorded_at;
        let moment = AsOf::Bitemporal { occurred: day(occurred), recorded };
        for repository in [&accounts, &cached] {
            let then = repository.load_as_of(&id(), moment).await.expect("the past can be read");
            assert_eq!(then.map(|then| then.state.balance()), expected, "{moment:?}");
        }
    }
}
