use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened(String, u8),
    Closed(),
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
struct Moved(String, String);

fn main() {}
