use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "user", personal)]
enum UserEvent {
    SignedUp {
        #[event(tag)]
        id: u32,
        #[event(tag = "E-Mail")]
        email: String,
        #[event(personal)]
        name: String,
    },
    Moved {
        #[event(subject = "id")]
        id: u32,
        #[event(personal)]
        #[serde(flatten)]
        address: Address,
    },
    Renamed(#[event(personal, subject)] String),
}

fn main() {}
