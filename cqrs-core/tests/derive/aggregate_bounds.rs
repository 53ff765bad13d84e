use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error)]
struct WithoutDefault;

struct Opened;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = Opened, error = std::fmt::Error)]
struct WrongEvent;

fn main() {}
