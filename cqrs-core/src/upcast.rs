//! Old payloads in today's shape.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::codec::CodecError;
use crate::event::DomainEvent;
use crate::failure::Failure;

/// Turns the payload of one schema version into that of the next one that the event lists.
///
/// `#[event(version = 3, upcast_from(1 = v1_to_v2, 2 = v2_to_v3))]` chains them: a recorded version 1 goes through both.
///
/// Like [`Retired`], it is pure: the same payload always gives the same, or else two readers see two histories. Numbers are
/// those of [`serde_json::Number`]: whole ones of 64 bits, others of double precision.
pub type Upcast = fn(Value) -> Result<Value, UpcastError>;

/// Says what events of a type that is written no more are today: several, or one of another type, or none.
///
/// `#[event(retired("account.moved.v1" = moved_v1))]` on the type of the events declares it. What it gives is read like any
/// other recorded event: it may be of an older version, or of another retired type.
///
/// ```
/// use cqrs_core::{DomainEvent, UpcastError, Upcasted};
/// use serde::{Deserialize, Serialize};
/// use serde_json::{Value, json};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "account", retired("account.corrected.v1" = corrected_v1))]
/// enum AccountEvent {
///     Deposited { amount: i64 },
///     Withdrawn { amount: i64 },
/// }
///
/// // one event that said what was booked wrongly, and what was right
/// fn corrected_v1(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
///     let amount = |field: &str| event[field].as_i64().ok_or_else(|| UpcastError::new(format!("no {field}")));
///     Ok(vec![
///         Upcasted::new("account.withdrawn.v1", json!({ "amount": amount("wrong")? })),
///         Upcasted::new("account.deposited.v1", json!({ "amount": amount("right")? })),
///     ])
/// }
///
/// # fn main() -> Result<(), cqrs_core::CodecError> {
/// let mut events = Vec::new();
/// <AccountEvent as DomainEvent>::decode("account.corrected.v1", br#"{"wrong":9,"right":5}"#, &mut events)?;
/// assert_eq!(events, [AccountEvent::Withdrawn { amount: 9 }, AccountEvent::Deposited { amount: 5 }]);
/// # Ok(())
/// # }
/// ```
///
/// Whatever it makes of a recorded event keeps that event's place: its position, its version and its times. Readers take
/// all of it or nothing.
pub type Retired = fn(Value) -> Result<Vec<Upcasted>, UpcastError>;

/// An event that a [`Retired`] one has become.
#[derive(Debug, Clone, PartialEq)]
pub struct Upcasted {
    event_type: String,
    payload: Value,
}

impl Upcasted {
    /// An event as it is recorded under this event type, such as `account.withdrawn.v1`.
    pub fn new(event_type: impl Into<String>, payload: Value) -> Self {
        Self { event_type: event_type.into(), payload }
    }
}

/// Why an upcaster refuses a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UpcastError(pub String);

impl UpcastError {
    /// An error with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Sends a recorded payload through a chain of upcasters and gives the payload of the newest version.
///
/// # Errors
/// [`CodecError::Decode`] when the payload is no JSON, [`CodecError::Upcast`] when an upcaster refuses it.
pub fn upcast(event_type: &str, payload: &[u8], chain: &[Upcast]) -> Result<Vec<u8>, CodecError> {
    let mut value = parse(event_type, payload)?;
    for step in chain {
        value = call(|| step(value)).map_err(|error| refused(event_type, error.0))?;
    }
    print(event_type, &value)
}

/// Decodes an event of a retired type: what it has become, retired types again included, in their order.
///
/// # Errors
/// [`CodecError::Decode`] when the payload is no JSON, or not that of what it has become; [`CodecError::Upcast`] when an
/// upcaster refuses it, makes an unknown event of it, or when retired types become one another in a circle.
pub fn decode_retired<E: DomainEvent>(
    event_type: &str,
    payload: &[u8],
    retired: &[(&str, Retired)],
    into: &mut Vec<E>,
) -> Result<(), CodecError> {
    let mut events = Vec::new();
    // The next one last, each with the number of retired types that it comes from.
    let mut pending = vec![(0, Upcasted::new(event_type, parse(event_type, payload)?))];
    while let Some((depth, Upcasted { event_type: found, payload })) = pending.pop() {
        if let Some((_, becomes)) = retired.iter().find(|(name, _)| *name == found) {
            if depth == retired.len() {
                return Err(refused(event_type, format!("{found} becomes itself again and again")));
            }
            let becomes = call(|| becomes(payload)).map_err(|error| refused(event_type, error.0))?;
            pending.extend(becomes.into_iter().rev().map(|event| (depth + 1, event)));
            continue;
        }
        E::decode(&found, &print(&found, &payload)?, &mut events).map_err(|error| match error {
            // The recorded type is known, and no reader may pass over it.
            CodecError::UnknownType(found) => refused(event_type, format!("it becomes {found:?}, which is unknown")),
            error => error,
        })?;
    }
    into.append(&mut events);
    Ok(())
}

/// A payload of another shape than expected is refused, also where indexing into it panics.
fn call<T>(upcaster: impl FnOnce() -> Result<T, UpcastError>) -> Result<T, UpcastError> {
    catch_unwind(AssertUnwindSafe(upcaster)).unwrap_or_else(|_| Err(UpcastError::new("its upcaster panicked")))
}

fn parse(event_type: &str, payload: &[u8]) -> Result<Value, CodecError> {
    serde_json::from_slice(payload).map_err(|error| malformed(event_type, error))
}

fn print(event_type: &str, payload: &Value) -> Result<Vec<u8>, CodecError> {
    serde_json::to_vec(payload).map_err(|error| malformed(event_type, error))
}

fn malformed(event_type: &str, error: serde_json::Error) -> CodecError {
    CodecError::Decode { what: event_type.to_owned(), source: Failure::new(error) }
}

fn refused(event_type: &str, reason: String) -> CodecError {
    CodecError::Upcast { event_type: event_type.to_owned(), reason }
}
