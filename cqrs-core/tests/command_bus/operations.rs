//! Operations: handlers written by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::middleware::{Refusal, retry, timeout};
use cqrs_core::{BusError, CommandBus, CommandId, Context, ExecuteError, Executed, Operation, Repository, Timestamp};
use cqrs_testkit::sample::{Account, AccountError, AccountId, Deposit, Open, Withdraw};

use super::attempts::at_once;
use super::stalling_store::{Fault, StallingStore};

#[derive(Clone)]
struct Transfer {
    from: AccountId,
    to: AccountId,
    amount: i64,
}

impl Operation for Transfer {
    type Answer = [Executed; 2];
    type Error = ExecuteError<AccountError>;

    fn validate(&self) -> Result<(), Refusal> {
        if self.from == self.to { Err(Refusal::invalid("from an account to itself")) } else { Ok(()) }
    }

    fn is_transient(error: &Self::Error) -> bool {
        matches!(error, ExecuteError::Transient(_) | ExecuteError::Unknown { .. })
    }
}

/// Two accounts, 100 on the first one, and a bus that moves money between them.
async fn given(store: &StallingStore) -> (Repository<Account>, CommandBus) {
    let accounts = Repository::<Account>::new(store.clone());
    for account in [ann(), bob()] {
        accounts.execute(&account, Open { owner: account.to_string() }).await.unwrap();
    }
    accounts.execute(&ann(), Deposit::new(100, "VND")).await.unwrap();
    let both = accounts.clone();
    let transfer = move |transfer: Transfer, context: Context| {
        let accounts = both.clone();
        async move {
            let Transfer { from, to, amount } = transfer;
            let out = accounts.execute_with(&from, Withdraw { amount }, context.part("out")).await?;
            let into = accounts.execute_with(&to, Deposit::new(amount, "VND"), context.part("in")).await?;
            Ok([out, into])
        }
    };
    (accounts.clone(), CommandBus::builder().handler(transfer).layer(retry(3, at_once())).build().unwrap())
}

fn ann() -> AccountId {
    AccountId::new("ANN")
}

fn bob() -> AccountId {
    AccountId::new("BOB")
}

fn transfer(amount: i64) -> Transfer {
    Transfer { from: ann(), to: bob(), amount }
}

async fn balances(accounts: &Repository<Account>) -> [i64; 2] {
    let [ann, bob] = [accounts.load(&ann()).await, accounts.load(&bob()).await];
    [ann, bob].map(|account| account.unwrap().unwrap().state.balance())
}

#[tokio::test]
async fn an_operation_is_carried_out_and_answered_with_the_type_that_it_says() {
    let store = StallingStore::default();
    let (accounts, bus) = given(&store).await;
    let [out, into] = bus.perform(transfer(30), Context::new().actor("Ann").reason("rent")).await.unwrap();
    assert!(out.position < into.position);
    assert_eq!(balances(&accounts).await, [70, 30]);
    let error = bus.perform(transfer(71), Context::new()).await.unwrap_err();
    let BusError::Handler(ExecuteError::Domain(error)) = &error else { panic!("{error:?}") };
    assert_eq!(*error, AccountError::InsufficientFunds { balance: 70, amount: 71 });
    let error = bus.perform(Transfer { to: ann(), ..transfer(1) }, Context::new()).await.unwrap_err();
    assert!(matches!(error, BusError::Refused(Refusal::Invalid { .. })), "{error:?}");
}

#[tokio::test]
async fn the_parts_of_an_operation_have_one_cause_one_correlation_and_what_was_said_of_it() {
    let store = StallingStore::default();
    let (accounts, bus) = given(&store).await;
    let whole = CommandId::new();
    bus.perform(transfer(30), Context::new().command_id(whole).actor("Ann")).await.unwrap();
    let [out, into] = [accounts.history(&ann()).await, accounts.history(&bob()).await]
        .map(|history| history.unwrap().pop().unwrap().metadata().unwrap());
    for (part, name) in [(&out, "out"), (&into, "in")] {
        assert_eq!(part.command_id, Some(whole.part(name)));
        assert_eq!((part.causation_id, part.correlation_id), (Some(whole.into()), Some(whole.into())));
        assert_eq!((part.actor.as_deref(), part.command.as_deref()), (Some("Ann"), Some("Transfer")));
    }
    assert_ne!(out.command_id, into.command_id);
}

#[tokio::test]
async fn an_operation_that_comes_again_or_ended_half_way_moves_the_money_once() {
    let context = || Context::new().command_id(CommandId::named(Timestamp::from_micros(1), "rent"));
    for faults in [vec![], vec![Fault::None, Fault::Away], vec![Fault::LostAnswer, Fault::LostOnTheWay, Fault::Away]] {
        let store = StallingStore::default();
        let (accounts, bus) = given(&store).await;
        store.plan(faults);
        let first = bus.perform(transfer(30), context()).await.unwrap();
        let again = bus.perform(transfer(30), context()).await.unwrap();
        assert!(again.iter().all(|part| part.repeated));
        assert_eq!(again.map(|part| part.position), first.map(|part| part.position));
        assert_eq!(balances(&accounts).await, [70, 30]);
    }
}

/// Its handler does not say whether it may be called twice.
#[derive(Clone)]
struct SendMail;

impl Operation for SendMail {
    type Answer = ();
    type Error = std::fmt::Error;
}

#[tokio::test]
async fn an_operation_that_timed_out_is_not_tried_again_and_its_caller_is_told() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let send = move |_: SendMail, _: Context| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    };
    let bus = CommandBus::builder().handler(send).layer(retry(3, at_once())).layer(timeout(Duration::from_millis(1)));
    let error = bus.build().unwrap().perform(SendMail, Context::new()).await.unwrap_err();
    assert!(matches!(error, BusError::TimedOut), "{error:?}");
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_operation_without_a_handler_is_refused() {
    let bus = CommandBus::builder().build().unwrap();
    let error = bus.perform(SendMail, Context::new()).await.unwrap_err();
    assert!(matches!(error, BusError::Refused(Refusal::Unregistered { name: "SendMail" })), "{error:?}");
    let accounts = Repository::<Account>::new(InMemoryEventStore::new());
    let bus = CommandBus::builder().register::<Open>(&accounts).build().unwrap();
    assert!(bus.perform(SendMail, Context::new()).await.is_err());
}
