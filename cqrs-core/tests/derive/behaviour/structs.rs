//! Events that are structs of their own.

use cqrs_core::{CodecError, DomainEvent, UpcastError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decode;

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "user", name = "created", version = 2, upcast_from(1 = anonymous))]
struct UserCreated {
    name: String,
}

fn anonymous(_: Value) -> Result<Value, UpcastError> {
    Ok(json!({ "name": "?" }))
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "shop.user")]
struct EmailChanged(String);

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
struct Removed;

#[test]
fn a_struct_is_one_event() {
    assert_eq!(UserCreated::EVENT_TYPES, ["user.created.v2", "user.created.v1"]);
    let event = UserCreated { name: "Ada".to_owned() };
    assert_eq!((event.event_type(), event.encode().unwrap().as_str()), ("user.created.v2", r#"{"name":"Ada"}"#));
    assert_eq!(decode::<UserCreated>("user.created.v2", r#"{"name":"Ada"}"#).unwrap(), [event]);
    assert_eq!(decode::<UserCreated>("user.created.v1", "{}").unwrap(), [UserCreated { name: "?".to_owned() }]);
}

#[test]
fn a_struct_is_named_after_itself_when_no_name_is_given() {
    assert_eq!(EmailChanged::EVENT_TYPES, ["shop.user.email_changed.v1"]);
    assert_eq!(
        decode::<EmailChanged>("shop.user.email_changed.v1", r#""a@b""#).unwrap(),
        [EmailChanged("a@b".to_owned())]
    );
    let payload = Removed.encode().unwrap();
    assert_eq!(decode::<Removed>("user.removed.v1", payload.as_str()).unwrap(), [Removed]);
}

#[test]
fn a_struct_says_what_it_cannot_decode() {
    let error = decode::<UserCreated>("user.created.v2", "{}").unwrap_err();
    assert_eq!(error.to_string(), "cannot decode user.created.v2");
    assert!(matches!(decode::<UserCreated>("user.created.v3", "{}"), Err(CodecError::UnknownType(_))));
}
