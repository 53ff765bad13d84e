use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "user", claim = "email")]
enum UserEvent {
    #[event(release = "email")]
    Closed {
        email: String,
    },
    SignedUp {
        #[event(unique = "email")]
        email: String,
        #[event]
        phone: String,
    },
}

fn main() {}
