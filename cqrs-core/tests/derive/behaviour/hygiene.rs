//! The core under another path, and names that generated code must not trip over.

pub mod elsewhere {
    pub use cqrs_core::*;
    pub mod nested {
        pub use cqrs_core::__private;
    }
}

#[allow(dead_code)]
type Result = ();
#[allow(dead_code)]
type Vec = ();

#[derive(serde::Serialize, serde::Deserialize, elsewhere::DomainEvent)]
#[event(domain = "odd", crate = self::elsewhere::nested)]
pub enum Odd {
    #[event(version = 2, upcast_from(1 = payload))]
    Some {
        event_type: u8,
        r#type: u8,
    },
    #[event(version = 2, upcast_from(1 = into))]
    None,
    Ok(Option<u8>),
}

fn payload(value: serde_json::Value) -> std::result::Result<serde_json::Value, cqrs_core::UpcastError> {
    Ok(value)
}

use payload as into;

#[derive(elsewhere::EventSet)]
#[event_set(crate = elsewhere::nested)]
pub enum Set {
    Odd(Odd),
}

#[derive(Clone, Default, elsewhere::Aggregate)]
#[aggregate(stream = "odd", id = u8, event = Odd, error = std::fmt::Error, crate = elsewhere::nested)]
pub struct Odds;

#[test]
fn the_core_may_be_renamed_and_names_may_collide() {
    let events = super::decode::<Set>("odd.some.v1", r#"{"event_type":1,"type":2}"#).unwrap();
    assert!(matches!(events[..], [Set::Odd(Odd::Some { event_type: 1, r#type: 2 })]));
    assert_eq!(<Odds as cqrs_core::Aggregate>::CATEGORY, "odd");
}
