use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
enum UserEvent {
    SignedUp {
        #[event(claim)]
        email: String,
        #[event(claim = 7)]
        phone: String,
        #[event(claim = "Handle")]
        handle: String,
        #[event(claim = "e-mail")]
        other: String,
        #[event(claim = "")]
        nothing: String,
    },
    Changed {
        #[event(claim = "email", claim = "login")]
        email: String,
        #[event(claim = "phone", release = "phone")]
        phone: String,
    },
}

fn main() {}
