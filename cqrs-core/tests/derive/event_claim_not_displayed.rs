use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Email(String);

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
enum UserEvent {
    SignedUp {
        #[event(claim = "email")]
        email: Email,
    },
    EmailChanged {
        #[event(release = "email")]
        from: Option<Vec<u8>>,
    },
}

fn main() {}
