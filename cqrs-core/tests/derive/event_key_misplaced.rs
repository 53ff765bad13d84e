use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", version = 2)]
enum AccountEvent {
    #[event(domain = "bank")]
    Opened {
        #[event(name = "holder")]
        owner: String,
    },
}

fn main() {}
