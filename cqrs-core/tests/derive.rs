//! What the derives make of a definition, and what they say about a wrong one.

#[path = "derive/behaviour/aggregates.rs"]
mod aggregates;
#[path = "derive/behaviour/claims.rs"]
mod claims;
#[path = "derive/behaviour/evolution.rs"]
mod evolution;
#[path = "derive/behaviour/fingerprints.rs"]
mod fingerprints;
#[path = "derive/behaviour/generics.rs"]
mod generics;
#[path = "derive/behaviour/hygiene.rs"]
mod hygiene;
#[path = "derive/behaviour/ids.rs"]
mod ids;
#[path = "derive/behaviour/marked.rs"]
mod marked;
#[path = "derive/behaviour/nested.rs"]
mod nested;
#[path = "derive/behaviour/restarts.rs"]
mod restarts;
#[path = "derive/behaviour/sets.rs"]
mod sets;
#[path = "derive/behaviour/structs.rs"]
mod structs;

use std::collections::BTreeMap;

use cqrs_core::{CodecError, DomainEvent, EventSet, UpcastError};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Every kind of variant and every serde attribute that matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[serde(rename_all_fields = "camelCase")]
#[event(domain = "account")]
enum AccountEvent {
    Opened {
        owner: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick_name: Option<String>,
    },
    #[event(version = 3, upcast_from(1 = amount_in_cents, 2 = upcasters::with_currency))]
    Deposited {
        amount: i64,
        currency: String,
    },
    #[event(name = "overdrawn")]
    LimitExceeded {
        #[serde(rename = "by", with = "text")]
        amount: i64,
        #[serde(flatten)]
        labels: BTreeMap<String, Value>,
    },
    Renamed(Name),
    Tagged(Vec<String>),
    Closed,
    HTTPCalled {},
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Name {
    first: String,
    last: String,
}

mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn amount_in_cents(mut event: Value) -> Result<Value, UpcastError> {
    match event["amount"].as_i64() {
        Some(amount) => {
            event["amount"] = json!(amount * 100);
            Ok(event)
        }
        None => Err(UpcastError::new("`amount` is no number")),
    }
}

mod upcasters {
    use super::{UpcastError, Value, json};

    pub fn with_currency(mut event: Value) -> Result<Value, UpcastError> {
        event["currency"] = json!("EUR");
        Ok(event)
    }
}

fn decode<E: EventSet>(event_type: &str, payload: &str) -> Result<Vec<E>, CodecError> {
    let mut events = Vec::new();
    E::decode(event_type, payload.as_bytes(), &mut events)?;
    Ok(events)
}

fn reason(error: &CodecError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

fn deposited(amount: i64) -> AccountEvent {
    AccountEvent::Deposited { amount, currency: "EUR".to_owned() }
}

fn samples() -> Vec<(AccountEvent, &'static str, &'static str)> {
    use AccountEvent as E;
    let ada = || "Ada".to_owned();
    vec![
        (E::Opened { owner: ada(), nick_name: None }, "account.opened.v1", r#"{"owner":"Ada"}"#),
        (
            E::Opened { owner: ada(), nick_name: Some(ada()) },
            "account.opened.v1",
            r#"{"owner":"Ada","nickName":"Ada"}"#,
        ),
        (deposited(-7), "account.deposited.v3", r#"{"amount":-7,"currency":"EUR"}"#),
        (
            E::LimitExceeded { amount: 5, labels: BTreeMap::from([("who".to_owned(), json!([1]))]) },
            "account.overdrawn.v1",
            r#"{"by":"5","who":[1]}"#,
        ),
        (
            E::Renamed(Name { first: ada(), last: "L".to_owned() }),
            "account.renamed.v1",
            r#"{"first":"Ada","last":"L"}"#,
        ),
        (E::Tagged(vec![ada()]), "account.tagged.v1", r#"["Ada"]"#),
        (E::Closed, "account.closed.v1", "{}"),
        (E::HTTPCalled {}, "account.http_called.v1", "{}"),
    ]
}

#[test]
fn current_event_types_come_first_in_variant_order_then_older_versions() {
    assert_eq!(
        AccountEvent::EVENT_TYPES,
        [
            "account.opened.v1",
            "account.deposited.v3",
            "account.overdrawn.v1",
            "account.renamed.v1",
            "account.tagged.v1",
            "account.closed.v1",
            "account.http_called.v1",
            "account.deposited.v1",
            "account.deposited.v2",
        ]
    );
    let names: Vec<_> = AccountEvent::event_types().iter().map(ToString::to_string).collect();
    assert_eq!(names, AccountEvent::EVENT_TYPES);
}

#[test]
fn every_kind_of_variant_is_written_without_its_name_and_read_back() {
    for (event, event_type, json) in samples() {
        assert_eq!(event.event_type(), event_type);
        assert_eq!(event.encode().unwrap().as_str(), json);
        assert_eq!(decode::<AccountEvent>(event_type, json).unwrap(), [event]);
    }
}

#[test]
fn the_payload_is_what_serde_json_writes_inside_the_tag() {
    for (event, _, json) in samples() {
        let Value::Object(tagged) = serde_json::to_value(&event).unwrap() else {
            assert_eq!(event, AccountEvent::Closed);
            continue;
        };
        let content = tagged.into_values().next().unwrap();
        assert_eq!(serde_json::from_str::<Value>(json).unwrap(), content);
    }
}

#[test]
fn fields_that_are_not_known_are_passed_over() {
    let events = decode::<AccountEvent>("account.opened.v1", r#" { "age": 36, "owner": "Ada" } "#);
    assert_eq!(events.unwrap(), [AccountEvent::Opened { owner: "Ada".to_owned(), nick_name: None }]);
    let events = decode::<AccountEvent>("account.closed.v1", r#"{"reason":"moved","by":[{"a":null}]}"#);
    assert_eq!(events.unwrap(), [AccountEvent::Closed]);
}

#[test]
fn an_older_payload_goes_through_its_own_and_all_later_upcasters() {
    assert_eq!(decode::<AccountEvent>("account.deposited.v1", r#"{"amount":3}"#).unwrap(), [deposited(300)]);
    assert_eq!(decode::<AccountEvent>("account.deposited.v2", r#"{"amount":3}"#).unwrap(), [deposited(3)]);
    assert_eq!(
        decode::<AccountEvent>("account.deposited.v3", r#"{"amount":3,"currency":"EUR"}"#).unwrap(),
        [deposited(3)]
    );
}

#[test]
fn an_upcaster_that_refuses_names_the_recorded_type_and_its_reason() {
    let error = decode::<AccountEvent>("account.deposited.v1", "{}").unwrap_err();
    assert_eq!(error.to_string(), "cannot upcast account.deposited.v1: `amount` is no number");
}

#[test]
fn an_upcaster_that_panics_refuses_the_payload() {
    let error = decode::<AccountEvent>("account.deposited.v2", "[5]").unwrap_err();
    assert_eq!(error.to_string(), "cannot upcast account.deposited.v2: its upcaster panicked");
}

#[test]
fn a_type_outside_the_set_is_unknown() {
    for unknown in ["account.deposited.v4", "account.opened", "account.limit_exceeded.v1", "", "course.opened.v1"] {
        let error = decode::<AccountEvent>(unknown, "{}").unwrap_err();
        assert!(matches!(&error, CodecError::UnknownType(name) if name == unknown), "{error:?}");
    }
}

#[test]
fn a_payload_that_does_not_fit_names_the_event_type_and_the_reason() {
    for (event_type, payload, why) in [
        ("account.opened.v1", "{}", "missing field `owner` at line 1 column 2"),
        ("account.opened.v1", "[", "EOF while parsing a list at line 1 column 1"),
        ("account.opened.v1", r#"{"owner":"Ada"}}"#, "trailing characters at line 1 column 16"),
        ("account.deposited.v3", r#"{"amount":"3"}"#, r#"invalid type: string "3", expected i64 at line 1 column 13"#),
        ("account.deposited.v2", "", "EOF while parsing a value at line 1 column 0"),
    ] {
        let error = decode::<AccountEvent>(event_type, payload).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot decode {event_type}"));
        assert_eq!(reason(&error), why);
    }
}

#[test]
fn a_failed_decode_leaves_the_events_that_were_decoded_before() {
    let mut events = vec![AccountEvent::Closed];
    assert!(DomainEvent::decode("account.opened.v1", b"{}", &mut events).is_err());
    assert_eq!(events, [AccountEvent::Closed]);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_again(owner in ".*", nick_name in proptest::option::of(".*"), amount: i64, currency in ".*", tags: Vec<String>) {
        for event in [
            AccountEvent::Opened { owner: owner.clone(), nick_name: nick_name.clone() },
            AccountEvent::Deposited { amount, currency: currency.clone() },
            AccountEvent::Tagged(tags.clone()),
        ] {
            let payload = event.encode().unwrap();
            prop_assert_eq!(decode::<AccountEvent>(event.event_type(), payload.as_str()).unwrap(), [event]);
        }
    }

    #[test]
    fn no_payload_makes_decoding_panic(payload: Vec<u8>, index in 0..AccountEvent::EVENT_TYPES.len()) {
        let _ = <AccountEvent as DomainEvent>::decode(AccountEvent::EVENT_TYPES[index], &payload, &mut Vec::new());
    }
}

#[test]
fn a_wrong_definition_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/derive/*.rs");
}
