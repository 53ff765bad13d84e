use cqrs_core::{DomainEvent, UpcastError, Upcasted};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", retired, dropped)]
enum Bare {
    A,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", retired(), dropped())]
enum Empty {
    A,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(
    domain = "account",
    retired(account.moved.v1 = none, "account.moved.v2", "account.moved" = none, "account.a.v1" = none, "account.x.v1" = none),
    dropped(pinged, "account.pinged", "account.b.v1", "account.x.v1", "account.y.v1", "account.y.v1")
)]
enum Listed {
    A,
    #[event(version = 2, upcast_from(1 = Ok))]
    B,
    #[event(retired("account.z.v1" = none))]
    C,
    #[event(dropped("account.z.v1"))]
    D,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account", retired("account.moved.v1" = one))]
enum Signature {
    A,
}

fn none(_: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(Vec::new())
}

fn one(event: Value) -> Result<Value, UpcastError> {
    Ok(event)
}

fn main() {}
