use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    #[serde(skip)]
    A,
    #[serde(rename = "b", skip_serializing)]
    B,
    #[serde(skip_deserializing)]
    C,
    #[serde(untagged)]
    D { value: u8 },
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum WithOther {
    A,
    #[serde(other)]
    B,
}

fn main() {}
