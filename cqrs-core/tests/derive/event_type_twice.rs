use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum SameName {
    Opened,
    #[event(name = "opened")]
    Reopened,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum OlderVersion {
    #[event(version = 2, upcast_from(1 = Ok))]
    Opened,
    #[event(name = "opened")]
    Reopened,
}

fn main() {}
