//! Commands to their aggregates, and what is refused before.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::middleware::Refusal;
use cqrs_core::{
    CausationId, Command, CommandBus, CommandId, Context, EventId, ExecuteError, ExpectedVersion, Failure, Handle,
    InvalidBus, LoadError, Repository, Version,
};
use cqrs_testkit::sample::{Account, AccountError, AccountEvent, AccountId, Close, Deposit, Open, Withdraw};

pub fn id() -> AccountId {
    AccountId::new("ACC-001")
}

pub fn open() -> Open {
    Open { owner: "Ann".to_owned() }
}

/// A payment that says itself what is wrong with it.
#[derive(Clone)]
pub struct Pay(pub i64);

impl Handle<Pay> for Account {
    fn handle(&self, Pay(amount): &Pay) -> Result<Vec<AccountEvent>, AccountError> {
        self.handle(&Deposit::new(*amount, "VND"))
    }
}

impl Command for Pay {
    type Aggregate = Account;

    fn name() -> &'static str {
        "pay"
    }

    fn validate(&self) -> Result<(), Refusal> {
        if self.0 > 0 { Ok(()) } else { Err(Refusal::invalid("an amount is positive")) }
    }
}

fn bus() -> (Repository<Account>, CommandBus) {
    let accounts = Repository::new(InMemoryEventStore::new());
    let bus = CommandBus::builder().register::<Open>(&accounts).register::<Withdraw>(&accounts);
    (accounts.clone(), bus.register::<Pay>(&accounts).build().unwrap())
}

#[tokio::test]
async fn a_command_gets_to_its_aggregate_and_is_answered_as_by_the_repository() {
    let (accounts, bus) = bus();
    let opened = bus.dispatch(&id(), open(), Context::new()).await.unwrap();
    assert_eq!((opened.stream.as_str(), opened.events, opened.version), ("account-ACC-001", 1, Version::new(1)));
    bus.dispatch(&id(), Pay(5), Context::new()).await.unwrap();
    let error = bus.dispatch(&id(), Withdraw { amount: 6 }, Context::new()).await.unwrap_err();
    let expected = AccountError::InsufficientFunds { balance: 5, amount: 6 };
    assert!(matches!(&error, ExecuteError::Domain(found) if *found == expected), "{error:?}");
    assert_eq!(error.to_string(), expected.to_string());
    assert_eq!(accounts.load(&id()).await.unwrap().unwrap().state.balance(), 5);
}

#[tokio::test]
async fn what_is_said_of_a_command_flows_into_its_events_and_so_does_its_name() {
    let (accounts, bus) = bus();
    let command = CommandId::new();
    bus.dispatch(&id(), open(), Context::new().command_id(command).actor("teller-7").reason("new customer"))
        .await
        .unwrap();
    bus.dispatch(&id(), Pay(5), Context::new()).await.unwrap();
    let history = accounts.history(&id()).await.unwrap();
    assert_eq!(history[0].id, EventId::derive(command, 0));
    let [opened, paid] = [0, 1].map(|index: usize| history[index].metadata().unwrap());
    assert_eq!((opened.actor.as_deref(), opened.reason.as_deref()), (Some("teller-7"), Some("new customer")));
    assert_eq!((opened.command_id, opened.causation_id), (Some(command), Some(CausationId::from(command))));
    assert_eq!((opened.command.as_deref(), paid.command.as_deref()), (Some("Open"), Some("pay")));
    let report = accounts.replay(&id()).report(10).await.unwrap();
    assert!(
        report.entries[0].to_string().contains("  account.opened.v1  Open  by teller-7: new customer  "),
        "{report}"
    );
}

#[tokio::test]
async fn every_error_of_the_repository_is_told_as_it_is() {
    let (_, bus) = bus();
    let error = bus.dispatch(&AccountId::new(""), open(), Context::new()).await.unwrap_err();
    let ExecuteError::Permanent(failure) = &error else { panic!("{error:?}") };
    assert!(matches!(failure.inner().downcast_ref(), Some(LoadError::InvalidId(_))), "{failure:?}");
    let expected = Context::new().expected(ExpectedVersion::Exact(Version::FIRST));
    let error = bus.dispatch(&id(), open(), expected).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Conflict { actual: None, .. }), "{error:?}");
}

#[tokio::test]
async fn a_command_that_is_invalid_by_itself_is_refused_before_anything_is_loaded() {
    let store = crate::stalling_store::StallingStore::default();
    let accounts = Repository::<Account>::new(store.clone());
    let bus = CommandBus::builder().register::<Pay>(&accounts).build().unwrap();
    let error = bus.dispatch(&id(), Pay(0), Context::new()).await.unwrap_err();
    assert!(matches!(&error, ExecuteError::Refused(Refusal::Invalid { reason }) if reason == "an amount is positive"));
    assert_eq!(error.to_string(), "invalid: an amount is positive");
    assert_eq!(store.calls(), 0);
}

#[tokio::test]
async fn a_command_without_a_handler_is_refused() {
    let (_, bus) = bus();
    let error = bus.dispatch(&id(), Close, Context::new()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Refused(Refusal::Unregistered { name: "Close" })), "{error:?}");
}

#[test]
fn a_bus_is_refused_when_a_command_has_two_handlers_or_a_layer_without_one() {
    let accounts = Repository::<Account>::new(InMemoryEventStore::new());
    let twice = CommandBus::builder().register::<Pay>(&accounts).register::<Open>(&accounts).register::<Pay>(&accounts);
    assert_eq!(twice.build().unwrap_err(), InvalidBus::RegisteredTwice { name: "pay" });
    let missing = CommandBus::builder().register::<Open>(&accounts);
    let missing = missing.layer_for::<Close, _>(cqrs_core::middleware::concurrency_limit(1));
    assert_eq!(missing.build().unwrap_err(), InvalidBus::Unregistered { name: "Close" });
}

#[tokio::test]
async fn a_command_that_comes_again_under_its_id_gets_the_first_outcome() {
    let (accounts, bus) = bus();
    let again = || Context::new().command_id(CommandId::named(cqrs_core::Timestamp::from_micros(1), "open ACC-001"));
    let first = bus.dispatch(&id(), open(), again()).await.unwrap();
    bus.dispatch(&id(), Pay(1), Context::new()).await.unwrap();
    let second = bus.dispatch(&id(), open(), again()).await.unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!((second.events, second.version, second.position), (first.events, first.version, first.position));
    assert_eq!(accounts.history(&id()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failure_of_a_layer_of_ones_own_is_permanent_and_keeps_its_cause() {
    let accounts = Repository::<Account>::new(InMemoryEventStore::new());
    let hook = async |_| Err::<cqrs_core::middleware::Request, _>(std::fmt::Error);
    let bus = CommandBus::builder().register::<Open>(&accounts).layer(cqrs_core::middleware::authorise(hook));
    let error = bus.build().unwrap().dispatch(&id(), open(), Context::new()).await.unwrap_err();
    let is_ours = |failure: &Failure| failure.inner().is::<std::fmt::Error>();
    assert!(matches!(&error, ExecuteError::Permanent(failure) if is_ours(failure)), "{error:?}");
    assert_eq!(accounts.load(&id()).await.unwrap(), None);
}
