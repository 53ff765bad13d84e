use cqrs_core::{Aggregate, Apply, DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "Account", version = 1)]
enum AccountEvent {
    #[event(name = "Opened", verison = 2)]
    Opened(String, u8),
    #[event(version = 2, upcast_from(2 = Ok))]
    Closed,
}

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "bank-account", event = AccountEvent, error = std::fmt::Error, snapshots(every = 0))]
struct Account;

// the definitions above are wrong, the code that uses them is not

impl Apply for Account {
    fn apply(&mut self, event: &AccountEvent) {
        let _ = event.event_type();
    }
}

#[derive(EventSet)]
enum Events {
    Account(AccountEvent),
}

fn main() {}
