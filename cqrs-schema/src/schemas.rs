//! The events of a program, with samples: what a lockfile is checked against.

use std::any::type_name;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use cqrs_core::{CodecError, DomainEvent};
use schemars::JsonSchema;
use serde::Serialize;

use crate::payload::{PayloadSchemas, payload_schemas};
use crate::problem::Problem;

/// The events of one aggregate, with a sample of each type that is written.
///
/// A sample stands for all events of its type: give every field a value that tells (not zero, not empty), and several samples
/// where a field may be one thing or another. They are not checked against rules of the domain.
#[derive(Debug)]
pub struct EventSchema<E> {
    described: Described,
    events: PhantomData<fn() -> E>,
}

impl<E: DomainEvent + Serialize + JsonSchema> EventSchema<E> {
    /// The events of this type, without samples as yet.
    #[must_use]
    pub fn of() -> Self {
        Self { described: Described::of::<E>(), events: PhantomData }
    }

    /// Adds a sample.
    #[must_use]
    pub fn sample(mut self, event: E) -> Self {
        let event_type = event.event_type();
        let payload = match event.encode() {
            Ok(payload) => payload,
            Err(error) => return self.bad_sample(event_type, error.to_string()),
        };
        match payload_schemas(&event, &payload) {
            Ok(schemas) => {
                let written = self.described.written.entry(event_type);
                let written = written.or_insert_with(|| Written { schemas, samples: Vec::new() });
                written.samples.push(payload.as_str().to_owned());
                self
            }
            Err(reason) => self.bad_sample(event_type, reason),
        }
    }

    /// Adds a payload of a type that is not written any more, as it was recorded. For history that is older than the
    /// lockfile: what was locked once need not be given again.
    #[must_use]
    pub fn recorded(mut self, event_type: impl Into<String>, payload: impl Into<String>) -> Self {
        self.described.recorded.entry(event_type.into()).or_default().push(payload.into());
        self
    }

    fn bad_sample(mut self, event_type: &str, reason: String) -> Self {
        self.described.bad_samples.push(Problem::BadSample { event_type: event_type.to_owned(), reason });
        self
    }
}

/// All events of a program.
///
/// ```
/// use cqrs_core::DomainEvent;
/// use cqrs_schema::{EventSchema, Lock, Schemas};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
/// #[event(domain = "account")]
/// enum AccountEvent {
///     Deposited { amount: i64 },
///     Closed,
/// }
///
/// fn schemas() -> Schemas {
///     Schemas::new().with(
///         EventSchema::of().sample(AccountEvent::Deposited { amount: 500 }).sample(AccountEvent::Closed),
///     )
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let lock = schemas().lock(&Lock::default())?; // Lock::read("schema.lock"), and write, in a program
/// schemas().check(&lock)?; // in a test
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Schemas {
    pub(crate) sets: Vec<Described>,
}

impl Schemas {
    /// Without any events as yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the events of an aggregate.
    #[must_use]
    pub fn with<E>(mut self, events: EventSchema<E>) -> Self {
        self.sets.push(events.described);
        self
    }

    /// Those who read an event type.
    pub(crate) fn reader(&self, event_type: &str) -> Option<&Described> {
        self.sets.iter().find(|set| set.event_types.contains(&event_type))
    }

    /// Those who write an event type.
    pub(crate) fn writer(&self, event_type: &str) -> Option<&Written> {
        self.sets.iter().find_map(|set| set.written.get(event_type))
    }
}

/// The events of one type in Rust, without that type.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) event_types: &'static [&'static str],
    pub(crate) written_types: &'static [&'static str],
    pub(crate) written: BTreeMap<&'static str, Written>,
    pub(crate) recorded: BTreeMap<String, Vec<String>>,
    pub(crate) bad_samples: Vec<Problem>,
    decode: fn(&str, &[u8]) -> Result<Vec<Today>, CodecError>,
}

/// An event type that events are written under.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) schemas: PayloadSchemas,
    pub(crate) samples: Vec<String>,
}

/// An event as it would be recorded today.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Today {
    pub(crate) event_type: &'static str,
    pub(crate) payload: String,
}

impl Described {
    fn of<E: DomainEvent>() -> Self {
        Self {
            name: type_name::<E>(),
            event_types: E::EVENT_TYPES,
            written_types: E::WRITTEN_TYPES,
            written: BTreeMap::new(),
            recorded: BTreeMap::new(),
            bad_samples: Vec::new(),
            decode: |event_type, payload| {
                let mut events: Vec<E> = Vec::with_capacity(1);
                <E as DomainEvent>::decode(event_type, payload, &mut events)?;
                let today = |event: &E| {
                    Ok(Today { event_type: event.event_type(), payload: event.encode()?.as_str().to_owned() })
                };
                events.iter().map(today).collect()
            },
        }
    }

    /// The event types that are read.
    pub(crate) fn types(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.event_types.iter().copied()
    }

    /// What a recorded event is today.
    pub(crate) fn decode(&self, event_type: &str, payload: &[u8]) -> Result<Vec<Today>, CodecError> {
        (self.decode)(event_type, payload)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
    #[event(domain = "account")]
    struct Closed {
        reason: String,
    }

    pub(crate) fn one() -> Schemas {
        Schemas::new().with(EventSchema::of().sample(Closed { reason: "moved".to_owned() }))
    }
}
