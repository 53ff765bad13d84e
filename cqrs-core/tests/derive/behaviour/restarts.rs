//! Events that restart the state.

use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
    #[event(restarts)]
    Reopened,
    #[event(version = 2, upcast_from(1 = Ok), restarts)]
    CarriedForward {
        balance: i64,
    },
    #[event(restarts)]
    Reset(i64),
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", restarts)]
struct AccountMoved {
    balance: i64,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
struct AccountClosed;

#[test]
fn the_declared_events_restart_the_state_and_no_others() {
    let carried = AccountEvent::CarriedForward { balance: 5 };
    let events = [AccountEvent::Opened, AccountEvent::Reopened, carried, AccountEvent::Reset(5)];
    assert_eq!(events.map(|event| event.restarts_state()), [false, true, true, true]);
    assert!(AccountMoved { balance: 5 }.restarts_state());
    assert!(!AccountClosed.restarts_state());
}

#[test]
fn an_older_version_of_an_event_that_restarts_the_state_restarts_it_too() {
    let mut events = Vec::new();
    <AccountEvent as DomainEvent>::decode("account.carried_forward.v1", br#"{"balance":5}"#, &mut events).unwrap();
    assert!(events[0].restarts_state());
}
