use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    #[event(version = 2, upcast_from)]
    A,
    #[event(version = 2, upcast_from())]
    B,
    #[event(version = 2, upcast_from(v1 = Ok))]
    C,
    #[event(version = 2, upcast_from(1))]
    D,
    #[event(version = 2, upcast_from(1 = |event| Ok(event)))]
    E,
    #[event(version = 2, upcast_from = a_v1)]
    F,
}

fn main() {}
