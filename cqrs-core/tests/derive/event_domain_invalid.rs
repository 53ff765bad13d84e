use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "BankAccount")]
enum UpperCase {
    Opened,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account.")]
enum EndsWithDot {
    Opened,
}

fn main() {}
