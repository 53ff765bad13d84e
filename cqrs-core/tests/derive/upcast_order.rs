use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    #[event(upcast_from(1 = Ok))]
    NoVersion,
    #[event(version = 2, upcast_from(2 = Ok))]
    NotOlder,
    #[event(version = 3, upcast_from(2 = Ok, 1 = Ok))]
    Descending,
    #[event(version = 3, upcast_from(1 = Ok, 1 = Ok))]
    Twice,
    #[event(version = 3, upcast_from(0 = Ok))]
    Zero,
}

fn main() {}
