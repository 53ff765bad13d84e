use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error)]
union Account {
    balance: u64,
}

fn main() {}
