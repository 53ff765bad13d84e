//! Recorded events whose type is no more, or has another name.

use cqrs_core::{CodecError, DomainEvent, EventSet, UpcastError, Upcasted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decode;

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(
    domain = "account",
    retired(
        "account.moved.v1" = moved_v1,
        "account.moved.v2" = moved_v2,
        "account.cleared.v1" = cleared,
        "account.looped.v1" = looped,
        "account.mistaken.v1" = mistaken,
        "account.partly.v1" = partly
    ),
    dropped("account.pinged.v1", "account.pinged.v2")
)]
enum AccountEvent {
    #[event(name = "opened", renamed_from("account.created", "customer.account_created"))]
    Opened {
        #[serde(alias = "name")]
        owner: String,
    },
    #[event(version = 3, upcast_from(1 = in_cents, 2 = with_currency), renamed_from("account.paid_in"))]
    Deposited {
        amount: i64,
        currency: String,
    },
    Withdrawn {
        amount: i64,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "card", renamed_from("card.made"), retired("card.batch_issued.v1" = batch), dropped("card.seen.v1"))]
struct Issued {
    number: u64,
}

fn in_cents(mut event: Value) -> Result<Value, UpcastError> {
    event["amount"] = json!(event["amount"].as_i64().ok_or_else(|| UpcastError::new("no amount"))? * 100);
    Ok(event)
}

fn with_currency(mut event: Value) -> Result<Value, UpcastError> {
    event["currency"] = json!("EUR");
    Ok(event)
}

/// Names the fields otherwise than version 2, and is nothing when nothing was moved.
fn moved_v1(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    match event["sum"].as_i64() {
        Some(0) => Ok(Vec::new()),
        Some(sum) => Ok(vec![Upcasted::new("account.moved.v2", json!({ "amount": sum }))]),
        None => Err(UpcastError::new("no sum")),
    }
}

fn moved_v2(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(vec![Upcasted::new("account.withdrawn.v1", event.clone()), Upcasted::new("account.deposited.v1", event)])
}

fn cleared(_: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(vec![
        Upcasted::new("account.moved.v1", json!({ "sum": 1 })),
        Upcasted::new("account.pinged.v2", json!(null)),
        Upcasted::new("account.created.v1", json!({ "name": "Ann" })),
    ])
}

fn looped(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(vec![Upcasted::new("account.looped.v1", event.clone()), Upcasted::new("account.looped.v1", event)])
}

fn mistaken(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(vec![Upcasted::new("account.withdrawn.v2", event)])
}

fn partly(_: Value) -> Result<Vec<Upcasted>, UpcastError> {
    Ok(vec![
        Upcasted::new("account.withdrawn.v1", json!({ "amount": 1 })),
        Upcasted::new("account.opened.v1", json!({})),
    ])
}

fn batch(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    let numbers = event["numbers"].as_array().ok_or_else(|| UpcastError::new("no numbers"))?;
    Ok(numbers.iter().map(|number| Upcasted::new("card.issued.v1", json!({ "number": number }))).collect())
}

fn withdrawn(amount: i64) -> AccountEvent {
    AccountEvent::Withdrawn { amount }
}

fn deposited(amount: i64) -> AccountEvent {
    AccountEvent::Deposited { amount, currency: "EUR".to_owned() }
}

fn opened(owner: &str) -> AccountEvent {
    AccountEvent::Opened { owner: owner.to_owned() }
}

#[test]
fn an_event_is_read_under_its_former_names_in_all_its_versions() {
    for event_type in ["account.opened.v1", "account.created.v1", "customer.account_created.v1"] {
        assert_eq!(decode::<AccountEvent>(event_type, r#"{"owner":"Ann"}"#).unwrap(), [opened("Ann")]);
    }
    for (event_type, payload) in [
        ("account.paid_in.v1", r#"{"amount":5}"#),
        ("account.paid_in.v2", r#"{"amount":500}"#),
        ("account.paid_in.v3", r#"{"amount":500,"currency":"EUR"}"#),
    ] {
        assert_eq!(decode::<AccountEvent>(event_type, payload).unwrap(), [deposited(500)], "{event_type}");
    }
    assert_eq!(opened("Ann").event_type(), "account.opened.v1");
    assert_eq!(decode::<Issued>("card.made.v1", r#"{"number":7}"#).unwrap(), [Issued { number: 7 }]);
}

#[test]
fn a_field_is_read_under_its_former_name_by_its_alias() {
    assert_eq!(decode::<AccountEvent>("account.opened.v1", r#"{"name":"Ann"}"#).unwrap(), [opened("Ann")]);
    assert_eq!(opened("Ann").encode().unwrap().as_str(), r#"{"owner":"Ann"}"#);
}

#[test]
fn a_retired_event_is_what_it_has_become_and_that_is_upcast_further() {
    let both = [withdrawn(5), deposited(500)];
    assert_eq!(decode::<AccountEvent>("account.moved.v2", r#"{"amount":5}"#).unwrap(), both);
    assert_eq!(decode::<AccountEvent>("account.moved.v1", r#"{"sum":5}"#).unwrap(), both);
    assert_eq!(decode::<AccountEvent>("account.moved.v1", r#"{"sum":0}"#).unwrap(), []);
    let cleared = decode::<AccountEvent>("account.cleared.v1", "{}").unwrap();
    assert_eq!(cleared, [withdrawn(1), deposited(100), opened("Ann")]);
    let cards = decode::<Issued>("card.batch_issued.v1", r#"{"numbers":[3,1]}"#).unwrap();
    assert_eq!(cards, [Issued { number: 3 }, Issued { number: 1 }]);
}

#[test]
fn a_dropped_event_is_none() {
    for event_type in ["account.pinged.v1", "account.pinged.v2"] {
        assert_eq!(decode::<AccountEvent>(event_type, r#"{"at":1}"#).unwrap(), []);
    }
    assert_eq!(decode::<Issued>("card.seen.v1", "{}").unwrap(), []);
}

#[test]
fn what_a_retired_event_cannot_become_is_explained_and_leaves_nothing() {
    for (event_type, payload, why) in [
        ("account.moved.v1", "{}", "cannot upcast account.moved.v1: no sum"),
        (
            "account.mistaken.v1",
            "{}",
            r#"cannot upcast account.mistaken.v1: it becomes "account.withdrawn.v2", which is unknown"#,
        ),
        (
            "account.looped.v1",
            "{}",
            "cannot upcast account.looped.v1: account.looped.v1 becomes itself again and again",
        ),
        ("account.partly.v1", "{}", "cannot decode account.opened.v1"),
        ("account.moved.v2", "{", "cannot decode account.moved.v2"),
        ("account.moved.v2", "{}", "cannot decode account.withdrawn.v1"),
    ] {
        let mut events = vec![withdrawn(7)];
        let error = <AccountEvent as EventSet>::decode(event_type, payload.as_bytes(), &mut events).unwrap_err();
        assert_eq!(error.to_string(), why);
        assert!(!matches!(error, CodecError::UnknownType(_)), "no reader may pass over it");
        assert_eq!(events, [withdrawn(7)]);
    }
}

#[test]
fn what_is_written_today_stands_before_what_is_only_read() {
    let written = ["account.opened.v1", "account.deposited.v3", "account.withdrawn.v1"];
    assert_eq!(AccountEvent::WRITTEN_TYPES, written);
    let read = [
        "account.created.v1",
        "customer.account_created.v1",
        "account.deposited.v1",
        "account.deposited.v2",
        "account.paid_in.v1",
        "account.paid_in.v2",
        "account.paid_in.v3",
        "account.moved.v1",
        "account.moved.v2",
        "account.cleared.v1",
        "account.looped.v1",
        "account.mistaken.v1",
        "account.partly.v1",
        "account.pinged.v1",
        "account.pinged.v2",
    ];
    assert_eq!(AccountEvent::EVENT_TYPES, [&written[..], &read].concat());
    assert_eq!(AccountEvent::event_types().len(), AccountEvent::EVENT_TYPES.len());
    assert_eq!(Issued::WRITTEN_TYPES, ["card.issued.v1"]);
    assert_eq!(Issued::EVENT_TYPES, ["card.issued.v1", "card.made.v1", "card.batch_issued.v1", "card.seen.v1"]);
}
