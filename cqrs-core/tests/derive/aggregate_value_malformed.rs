use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = account, id = "String", event = AccountEvent, error = std::fmt::Error)]
struct Account;

#[derive(Clone, Default, Aggregate)]
#[aggregate]
struct Bare;

fn main() {}
