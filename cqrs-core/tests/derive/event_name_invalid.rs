use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    #[event(name = "WasOpened")]
    Opened,
    #[event(name = "shut.down")]
    Closed,
    Eröffnet,
}

fn main() {}
