//! Events that hold events: an aggregate with many kinds of them, in groups.

use cqrs_core::{CodecError, DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

use super::decode;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "order")]
enum Lifecycle {
    Placed {
        #[event(claim = "order_number")]
        number: String,
    },
    #[event(version = 2, upcast_from(1 = same))]
    Cancelled,
}

fn same(event: serde_json::Value) -> Result<serde_json::Value, cqrs_core::UpcastError> {
    Ok(event)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "order.payment")]
enum Payment {
    Paid {
        cents: u64,
    },
    #[event(restarts)]
    Reset,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "order", name = "shipped")]
struct Shipped {
    parcel: u32,
}

/// No events of its own, and no domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
enum Inner {
    #[event(nested)]
    Payment(Payment),
    #[event(nested)]
    Shipped(Shipped),
}

/// Both, two levels deep, with the nested ones in between: the places of variants must not shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "order")]
enum OrderEvent {
    Noted {
        text: String,
    },
    #[event(nested)]
    Lifecycle(Lifecycle),
    Praised,
    #[event(nested)]
    Inner(Inner),
    #[event(restarts)]
    Merged {
        cents: u64,
    },
}

fn samples() -> Vec<(OrderEvent, &'static str, &'static str)> {
    use OrderEvent as E;
    vec![
        (E::Noted { text: "a".to_owned() }, "order.noted.v1", r#"{"text":"a"}"#),
        (E::Lifecycle(Lifecycle::Placed { number: "7".to_owned() }), "order.placed.v1", r#"{"number":"7"}"#),
        (E::Lifecycle(Lifecycle::Cancelled), "order.cancelled.v2", "{}"),
        (E::Praised, "order.praised.v1", "{}"),
        (E::Inner(Inner::Payment(Payment::Paid { cents: 5 })), "order.payment.paid.v1", r#"{"cents":5}"#),
        (E::Inner(Inner::Payment(Payment::Reset)), "order.payment.reset.v1", "{}"),
        (E::Inner(Inner::Shipped(Shipped { parcel: 1 })), "order.shipped.v1", r#"{"parcel":1}"#),
        (E::Merged { cents: 9 }, "order.merged.v1", r#"{"cents":9}"#),
    ]
}

#[test]
fn nested_events_are_recorded_as_what_they_are_and_read_back() {
    for (event, event_type, json) in samples() {
        assert_eq!(event.event_type(), event_type);
        assert_eq!(event.encode().unwrap().as_str(), json);
        assert_eq!(decode::<OrderEvent>(event_type, json).unwrap(), [event]);
    }
}

#[test]
fn all_event_types_are_understood_older_ones_too() {
    let types: Vec<_> = OrderEvent::event_types().iter().map(ToString::to_string).collect();
    let expected = [
        "order.noted.v1",
        "order.praised.v1",
        "order.merged.v1",
        "order.placed.v1",
        "order.cancelled.v2",
        "order.cancelled.v1",
        "order.payment.paid.v1",
        "order.payment.reset.v1",
        "order.shipped.v1",
    ];
    assert_eq!(types, expected);
    let older = |name: &&&str| **name != "order.cancelled.v1";
    assert_eq!(OrderEvent::WRITTEN_TYPES.to_vec(), expected.iter().filter(older).copied().collect::<Vec<_>>());
    assert_eq!(
        decode::<OrderEvent>("order.cancelled.v1", "{}").unwrap(),
        [OrderEvent::Lifecycle(Lifecycle::Cancelled)]
    );
    let error = decode::<Inner>("order.noted.v1", "{}").unwrap_err();
    assert!(matches!(error, CodecError::UnknownType(_)), "{error:?}");
}

#[test]
fn what_nested_events_say_of_themselves_holds() {
    let restarting: Vec<_> = samples().iter().map(|(event, ..)| event.restarts_state()).collect();
    assert_eq!(restarting, [false, false, false, false, false, true, false, true]);
    let claims: Vec<_> = samples().iter().map(|(event, ..)| event.claims().unwrap().taken.len()).collect();
    assert_eq!(claims, [0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn the_fingerprint_sees_into_nested_events() {
    mod other {
        use super::*;

        #[derive(Serialize, Deserialize, DomainEvent)]
        #[event(domain = "order", name = "shipped")]
        pub struct Shipped {
            pub parcel: u64,
        }

        #[derive(DomainEvent)]
        pub enum Inner {
            #[event(nested)]
            Payment(Payment),
            #[event(nested)]
            Shipped(Shipped),
        }
    }
    assert_ne!(Shipped::FINGERPRINT, other::Shipped::FINGERPRINT);
    assert_ne!(Inner::FINGERPRINT, other::Inner::FINGERPRINT);
}
