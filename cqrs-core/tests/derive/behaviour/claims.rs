//! Fields that hold unique keys.
#![allow(clippy::unwrap_used, reason = "a test that fails is what it is for")]

use std::fmt;

use cqrs_core::{Append, ClaimKey, CodecError, DomainEvent, EventStore, InvalidClaim, NewEvent, StreamName};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Email(String);

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
enum UserEvent {
    SignedUp {
        #[event(claim = "email")]
        email: Email,
        #[event(claim = "phone")]
        phone: Option<u64>,
        #[event(claim = "handle")]
        r#type: String,
        name: String,
    },
    EmailChanged {
        #[event(release = "email")]
        from: std::option::Option<Email>,
        #[event(claim = "email")]
        to: Email,
    },
    Invited(#[event(claim = "email")] String),
    Renamed {
        name: String,
    },
    Closed,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(domain = "shop", name = "opened")]
struct ShopOpened<T> {
    #[event(claim = "shop.name")]
    name: T,
    #[event(claim = "shop.number")]
    number: Option<T>,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(domain = "shop", name = "moved")]
struct ShopMoved(#[event(release = "shop.place")] String);

fn key(scope: &str, value: &str) -> ClaimKey {
    ClaimKey::new(scope, value).unwrap()
}

fn claims(event: &impl DomainEvent) -> (Vec<ClaimKey>, Vec<ClaimKey>) {
    let claims = event.claims().unwrap();
    (claims.taken, claims.released)
}

fn ann() -> Email {
    Email("ann@example.com".to_owned())
}

fn signed_up(email: &str, phone: Option<u64>) -> UserEvent {
    let (email, name) = (Email(email.to_owned()), "Ann".to_owned());
    UserEvent::SignedUp { email, phone, r#type: "ann".to_owned(), name }
}

#[test]
fn an_event_takes_and_releases_what_its_fields_display() {
    let email = || key("email", "ann@example.com");
    let taken = vec![email(), key("phone", "7"), key("handle", "ann")];
    assert_eq!(claims(&signed_up("ann@example.com", Some(7))), (taken, vec![]));
    let changed = UserEvent::EmailChanged { from: Some(ann()), to: Email("bea".to_owned()) };
    assert_eq!(claims(&changed), (vec![key("email", "bea")], vec![email()]));
    assert_eq!(claims(&UserEvent::Invited("x".to_owned())), (vec![key("email", "x")], vec![]));
    assert_eq!(claims(&ShopMoved("here".to_owned())), (vec![], vec![key("shop.place", "here")]));
    let opened = ShopOpened { name: 1, number: Some(2) };
    assert_eq!(claims(&opened), (vec![key("shop.name", "1"), key("shop.number", "2")], vec![]));
}

#[test]
fn what_is_not_there_is_not_claimed() {
    assert_eq!(claims(&signed_up("x", None)).0, [key("email", "x"), key("handle", "ann")]);
    assert_eq!(claims(&UserEvent::EmailChanged { from: None, to: ann() }).1, []);
    for event in [UserEvent::Renamed { name: "Ann".to_owned() }, UserEvent::Closed] {
        assert_eq!(claims(&event), (vec![], vec![]));
    }
    assert_eq!(claims(&super::AccountEvent::Closed), (vec![], vec![]), "an event without such fields");
}

#[test]
fn a_value_that_cannot_be_claimed_is_told_before_anything_is_written() {
    let error = signed_up("", None).claims().unwrap_err();
    assert_eq!(error, InvalidClaim::Empty { scope: "email".to_owned() });
    let stream = StreamName::new("user-1").unwrap();
    let error = NewEvent::encode(stream, &signed_up(&"x".repeat(1025), None)).unwrap_err();
    assert!(matches!(error, CodecError::Claim(InvalidClaim::TooLong { bytes: 1025, .. })), "{error:?}");
}

#[tokio::test]
async fn an_encoded_event_brings_its_claims() {
    let store = cqrs_core::in_memory::InMemoryEventStore::new();
    let event = |stream: &str| NewEvent::encode(StreamName::new(stream).unwrap(), &UserEvent::Invited("x".to_owned()));
    store.append(Append::new(vec![event("user-1").unwrap()])).await.unwrap();
    store.append(Append::new(vec![event("user-2").unwrap()])).await.unwrap_err();
}

#[test]
fn claims_do_not_change_how_an_event_is_recorded() {
    let event = UserEvent::EmailChanged { from: None, to: ann() };
    assert_eq!(event.encode().unwrap().as_str(), r#"{"from":null,"to":"ann@example.com"}"#);
}
