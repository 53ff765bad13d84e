//! Events of derived types: encoded and decoded again they are the same, however their fields are nested.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::{DomainEvent, EventType, Timestamp};
use cqrs_testkit::sample;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "order")]
enum OrderEvent {
    Placed { lines: Vec<Line>, notes: BTreeMap<String, Option<String>>, delivery: Delivery, placed_at: Timestamp },
    Weighed(f64),
    Labelled((char, Option<bool>, BTreeSet<u16>)),
    Imported(Value),
    Nested(Box<Parcel>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    product: String,
    quantity: u64,
    cents: i64,
    discount: Option<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
enum Delivery {
    Post { street: Vec<String> },
    Courier { name: Option<String>, express: bool },
    PickedUp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Parcel {
    Empty,
    Holds(Vec<Parcel>, [i8; 3]),
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has no other numbers", |number| number.is_finite())
}

fn line() -> impl Strategy<Value = Line> {
    let discount = option::of(any::<f32>().prop_filter("JSON has no other numbers", |number| number.is_finite()));
    (".*", any::<u64>(), any::<i64>(), discount).prop_map(|(product, quantity, cents, discount)| Line {
        product,
        quantity,
        cents,
        discount,
    })
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        vec(".*", 0..4).prop_map(|street| Delivery::Post { street }),
        (option::of(".*"), any::<bool>()).prop_map(|(name, express)| Delivery::Courier { name, express }),
        Just(Delivery::PickedUp),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        finite().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let object = btree_map(".*", inner.clone(), 0..6).prop_map(|fields| fields.into_iter().collect());
        prop_oneof![vec(inner, 0..6).prop_map(Value::Array), object.prop_map(Value::Object)]
    })
}

fn parcel() -> impl Strategy<Value = Parcel> {
    Just(Parcel::Empty).prop_recursive(5, 32, 4, |inner| {
        (vec(inner, 0..4), any::<[i8; 3]>()).prop_map(|(of, size)| Parcel::Holds(of, size))
    })
}

fn order_event() -> impl Strategy<Value = OrderEvent> {
    let notes = btree_map(".*", option::of(".*"), 0..4);
    let placed = (vec(line(), 0..4), notes, delivery(), any::<i64>()).prop_map(|(lines, notes, delivery, micros)| {
        OrderEvent::Placed { lines, notes, delivery, placed_at: Timestamp::from_micros(micros) }
    });
    let label = (any::<char>(), option::of(any::<bool>()), btree_set(any::<u16>(), 0..4));
    prop_oneof![
        placed,
        finite().prop_map(OrderEvent::Weighed),
        label.prop_map(OrderEvent::Labelled),
        json().prop_map(OrderEvent::Imported),
        parcel().prop_map(|parcel| OrderEvent::Nested(Box::new(parcel))),
    ]
}

fn account_event() -> impl Strategy<Value = sample::AccountEvent> {
    use sample::AccountEvent::{Closed, Deposited, Opened, Withdrawn};
    prop_oneof![
        ".*".prop_map(|owner| Opened { owner }),
        (any::<i64>(), ".*").prop_map(|(amount, currency)| Deposited { amount, currency }),
        any::<i64>().prop_map(|amount| Withdrawn { amount }),
        Just(Closed),
    ]
}

fn comes_back<E: DomainEvent + Clone + PartialEq + std::fmt::Debug>(event: &E) -> Result<(), TestCaseError> {
    prop_assert!(E::EVENT_TYPES.contains(&event.event_type()));
    prop_assert!(EventType::new(event.event_type()).is_ok());
    let payload = event.encode().unwrap();
    let mut decoded = Vec::new();
    E::decode(event.event_type(), payload.as_bytes(), &mut decoded).unwrap();
    prop_assert_eq!(&decoded[..], std::slice::from_ref(event));
    prop_assert_eq!(decoded[0].encode().unwrap(), payload, "and its bytes are the same again");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_event_of_the_sample_domain_comes_back(event in account_event()) {
        comes_back(&event)?;
    }

    #[test]
    fn an_event_with_nested_fields_comes_back(event in order_event()) {
        comes_back(&event)?;
    }
}
