use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", restarts)]
enum Misplaced {
    Opened,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum Malformed {
    #[event(restarts = true)]
    Opened,
    #[event(restarts(balance))]
    Carried,
    #[event(restarts, restarts)]
    Twice,
    #[event(restart)]
    Misspelt,
}

fn main() {}
