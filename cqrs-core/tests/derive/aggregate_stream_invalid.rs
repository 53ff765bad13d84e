use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "bank-account", id = String, event = AccountEvent, error = std::fmt::Error)]
struct Dash;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "", id = String, event = AccountEvent, error = std::fmt::Error)]
struct Empty;

fn main() {}
