use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", domain = "bank")]
enum AccountEvent {
    #[event(version = 1)]
    #[event(version = 2)]
    Opened,
}

fn main() {}
