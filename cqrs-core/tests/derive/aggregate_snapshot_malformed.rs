use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot)]
struct Bare;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(version = 2))]
struct NoEvery;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(every = 0))]
struct Zero;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(every = 10, after = 3))]
struct Unknown;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot(every = 10, every = 20))]
struct Twice;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error, snapshot = 100)]
struct Number;

fn main() {}
