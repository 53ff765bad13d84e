use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", renamed_from("customer"))]
enum AccountEvent {
    #[event(renamed_from)]
    A,
    #[event(renamed_from())]
    B,
    #[event(renamed_from(made))]
    C,
    #[event(renamed_from("made"))]
    D,
    #[event(renamed_from("account.made.v1"))]
    E,
    #[event(renamed_from("account.Made"))]
    F,
    #[event(renamed_from("account.h"))]
    G,
    H,
    I {
        #[event(renamed_from("who"))]
        owner: String,
    },
}

fn main() {}
