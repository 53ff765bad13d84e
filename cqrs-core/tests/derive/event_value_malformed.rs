use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = account)]
enum NoString {
    #[event(version = "2", upcast_from(1 = Ok))]
    A,
    #[event(version = 0)]
    B,
    #[event(version = 4294967296)]
    C,
    #[event(name)]
    D,
    #[event(name =, version = 0)]
    E,
    #[event(name = "f" version = 2)]
    F,
    #[event]
    G,
    #[event = "h"]
    H,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", crate = "cqrs_core")]
enum QuotedPath {
    Opened,
}

fn main() {}
