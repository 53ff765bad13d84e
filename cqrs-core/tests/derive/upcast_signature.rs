use cqrs_core::{DomainEvent, UpcastError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    #[event(version = 2, upcast_from(1 = from_text))]
    Opened,
    #[event(version = 3, upcast_from(1 = without_result, 2 = without_result))]
    Closed,
    #[event(version = 2, upcast_from(1 = not_written_yet))]
    Renamed,
}

fn from_text(event: String) -> Result<Value, UpcastError> {
    Ok(Value::String(event))
}

fn without_result(event: Value) -> Value {
    event
}

fn main() {}
