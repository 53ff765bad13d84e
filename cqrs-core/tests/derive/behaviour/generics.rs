//! Definitions with type parameters: the derives add the bounds.

use std::fmt;

use cqrs_core::{Aggregate, DomainEvent, EventSet, UpcastError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AccountEvent, decode};

/// Its bounds are those that the derive adds.
#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "box")]
enum BoxEvent<T> {
    Filled {
        with: T,
    },
    #[event(version = 2, upcast_from(1 = Self::same))]
    Emptied,
}

impl<T> BoxEvent<T> {
    fn same(event: Value) -> Result<Value, UpcastError> {
        Ok(event)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "box")]
struct Moved<T, const N: usize>
where
    T: Clone,
{
    to: Vec<T>,
}

#[derive(Debug, PartialEq, EventSet)]
enum Anything<E, T> {
    Box(BoxEvent<T>),
    Other(E),
}

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "box", id = T, event = BoxEvent<T>, error = Failed<T>)]
struct Boxed<T> {
    _content: Option<T>,
}

#[derive(Debug)]
struct Failed<T>(T);

impl<T: fmt::Display> fmt::Display for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display + fmt::Debug> std::error::Error for Failed<T> {}

#[test]
fn generic_events_are_events_for_every_type_that_serde_knows() {
    let event = BoxEvent::Filled { with: vec![1_u8] };
    assert_eq!(event.encode().unwrap().as_str(), r#"{"with":[1]}"#);
    assert_eq!(decode::<BoxEvent<Vec<u8>>>("box.filled.v1", r#"{"with":[1]}"#).unwrap(), [event]);
    assert_eq!(decode::<BoxEvent<u8>>("box.emptied.v1", "{}").unwrap(), [BoxEvent::Emptied]);
    assert_eq!(decode::<Moved<u8, 3>>("box.moved.v1", r#"{"to":[1]}"#).unwrap(), [Moved { to: vec![1] }]);
}

#[test]
fn generic_sets_and_aggregates_work() {
    let events = decode::<Anything<AccountEvent, u8>>("account.closed.v1", "{}").unwrap();
    assert_eq!(events, [Anything::Other(AccountEvent::Closed)]);
    let events = decode::<Anything<AccountEvent, u8>>("box.emptied.v2", "{}").unwrap();
    assert_eq!(events, [Anything::Box(BoxEvent::Emptied)]);
    assert_eq!(Boxed::<String>::CATEGORY, "box");
}
