use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

#[derive(Clone, Default, Aggregate)]
struct WithoutAttribute;

#[derive(Clone, Default, Aggregate)]
#[aggregate(stream = "account", event = AccountEvent)]
struct WithoutTwo;

fn main() {}
