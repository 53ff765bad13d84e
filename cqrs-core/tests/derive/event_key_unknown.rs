use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", colour = "red")]
enum AccountEvent {
    #[event(title = "opened")]
    Opened,
    #[event(type = "account.closed.v1")]
    Closed,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", colour = "red")]
struct AccountOpened;

fn main() {}
