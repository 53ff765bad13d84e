use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
enum WithoutAttribute {
    Opened,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event()]
enum WithoutDomain {
    Opened,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(name = "opened")]
struct AccountOpened;

fn main() {}
