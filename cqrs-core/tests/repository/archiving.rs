//! Aggregates whose streams are archived.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    AsOf, CommandId, Context, EventStore, ExecuteError, Repository, StreamFactsStore, StreamName, Version,
};
use cqrs_testkit::sample::{Account, AccountError, AccountId, Close, Deposit, Open, Withdraw};
use futures::future::join_all;

fn id() -> AccountId {
    AccountId::new("ACC-001")
}

fn stream() -> StreamName {
    StreamName::new("account-ACC-001").unwrap()
}

/// An account of 100, archived; the repository has just written it.
async fn given() -> (InMemoryEventStore, Repository<Account>) {
    let store = InMemoryEventStore::new();
    let accounts = crate::repository::<Account>(store.clone());
    accounts.execute(&id(), Open { owner: "Ann".to_owned() }).await.unwrap();
    accounts.execute(&id(), Deposit::new(100, "VND")).await.unwrap();
    store.archive(&stream()).await.unwrap();
    (store, accounts)
}

fn assert_archived<T: std::fmt::Debug>(outcome: &Result<T, ExecuteError<AccountError>>) {
    assert!(
        matches!(outcome, Err(ExecuteError::Archived { stream: archived }) if *archived == stream()),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_command_on_an_archived_aggregate_is_refused_until_it_is_restored() {
    let (store, accounts) = given().await;
    for _ in 0..2 {
        assert_archived(&accounts.execute(&id(), Deposit::new(5, "VND")).await);
        let expecting = Context::new().expected(cqrs_core::ExpectedVersion::Exact(Version::new(2).unwrap()));
        assert_archived(&accounts.execute_with(&id(), Withdraw { amount: 5 }, expecting).await);
    }
    assert_eq!(store.head().await.unwrap().position.get(), 2, "nothing was written");
    store.restore(&stream()).await.unwrap();
    let done = accounts.execute(&id(), Deposit::new(5, "VND")).await.unwrap();
    assert_eq!(done.version, Version::new(3));
    assert_eq!(accounts.load(&id()).await.unwrap().unwrap().state.balance(), 105);
}

#[tokio::test]
async fn an_archived_aggregate_is_loaded_as_before() {
    let (_, accounts) = given().await;
    assert_eq!(accounts.load(&id()).await.unwrap().unwrap().state.balance(), 100);
    let opened = accounts.load_as_of(&id(), AsOf::Version(Version::FIRST)).await.unwrap();
    assert_eq!(opened.unwrap().state.balance(), 0);
    assert_eq!(accounts.history(&id()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_rejected_or_leaves_nothing_to_do_is_told_as_before() {
    let (store, accounts) = given().await;
    let rejected = accounts.execute(&id(), Withdraw { amount: 101 }).await;
    assert!(matches!(rejected, Err(ExecuteError::Domain(AccountError::InsufficientFunds { .. }))), "{rejected:?}");
    store.restore(&stream()).await.unwrap();
    accounts.execute(&id(), Withdraw { amount: 100 }).await.unwrap();
    accounts.execute(&id(), Close).await.unwrap();
    store.archive(&stream()).await.unwrap();
    assert_eq!(accounts.execute(&id(), Close).await.unwrap().events, 0);
}

#[tokio::test]
async fn commands_that_wait_together_are_each_told_what_is_true_of_them() {
    let (_, accounts) = given().await;
    let key = id();
    let deposits = join_all((0..10).map(|_| accounts.execute(&key, Deposit::new(50, "VND"))));
    let withdrawals = join_all((0..10).map(|_| accounts.execute(&key, Withdraw { amount: 120 })));
    let (deposits, withdrawals) = futures::join!(deposits, withdrawals);
    deposits.iter().for_each(assert_archived);
    for rejected in withdrawals {
        // Not even those that the deposits would have allowed.
        assert!(matches!(rejected, Err(ExecuteError::Domain(_))), "{rejected:?}");
    }
}

#[tokio::test]
async fn a_repeated_command_on_an_archived_aggregate_gets_the_first_answer() {
    let (store, accounts) = given().await;
    store.restore(&stream()).await.unwrap();
    let again = Context::new().command_id(CommandId::new());
    let first = accounts.execute_with(&id(), Deposit::new(5, "VND"), again.clone()).await.unwrap();
    store.archive(&stream()).await.unwrap();
    let repeated = accounts.execute_with(&id(), Deposit::new(5, "VND"), again).await.unwrap();
    assert!(repeated.repeated);
    assert_eq!((repeated.version, repeated.position), (first.version, first.position));
}
