//! What happened: the typed events of a domain and how they become bytes.

pub(crate) mod marked;
pub(crate) mod nested;

pub use marked::PersonalFields;

use crate::claim::{Claims, InvalidClaim};
use crate::codec::{CodecError, Payload};
use crate::name::EventType;

/// An event as a domain writes it: a fact in the past tense, encoded and decoded by its event type.
///
/// Derive it: `#[derive(DomainEvent)]` on an enum (one event type per variant) or on a struct (one event type).
/// Event types have the form `{domain}.{action}.v{n}`, for example `account.deposited.v2`.
///
/// # Contract
/// - `encode` then `decode` under [`event_type`](Self::event_type) gives exactly one event that equals the first.
/// - `decode` accepts every type in [`EVENT_TYPES`](Self::EVENT_TYPES), older versions included.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a domain event",
    label = "not a domain event",
    note = "add `#[derive(Serialize, Deserialize, DomainEvent)]` and `#[event(domain = \"…\")]` to `{Self}`"
)]
pub trait DomainEvent: Sized + Send + Sync + 'static {
    /// Every event type that [`decode`](Self::decode) understands: the current ones, then those of recorded events that are
    /// read as them: older versions, former names, and what is retired or dropped.
    const EVENT_TYPES: &'static [&'static str];

    /// Those of [`EVENT_TYPES`](Self::EVENT_TYPES) under which events are written today; all of them unless told.
    const WRITTEN_TYPES: &'static [&'static str] = Self::EVENT_TYPES;

    /// A hash of the definition (event types, fields and their types). A snapshot that was folded under another
    /// fingerprint is discarded.
    const FINGERPRINT: u64;

    /// Which fields hold personal data, by the event types under which they are written; none unless told. Derived from
    /// `#[event(personal)]` on them.
    const PERSONAL_FIELDS: &'static [PersonalFields] = &[];

    /// The event type under which this event is written, such as `account.opened.v1`.
    fn event_type(&self) -> &'static str;

    /// Whether the state after this event rests on nothing that was before it: it is [folded](crate::fold) onto the default
    /// state. Before such an event a stream can be [truncated](crate::Repository::truncate_before).
    fn restarts_state(&self) -> bool {
        false
    }

    /// The event's fields as JSON, without its type.
    ///
    /// # Errors
    /// When a field cannot be represented in JSON.
    fn encode(&self) -> Result<Payload, CodecError>;

    /// The unique keys that this event takes and releases; none unless told. Derived from `#[event(claim = "email")]` and
    /// `#[event(release = "email")]` on its fields.
    ///
    /// # Errors
    /// [`InvalidClaim`] for a value that is empty or too long.
    fn claims(&self) -> Result<Claims, InvalidClaim> {
        Ok(Claims::default())
    }

    /// The words by which this event is found besides its type, such as `course:c1` for what it is about; none unless told.
    /// They become [`tags`](crate::Metadata::tags) of its metadata, before those of the command's context. No personal data.
    /// Derived from `#[event(tag = "course")]` on its fields.
    fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    /// The persons whose data this event holds, by ids that are no personal data themselves; none unless told. They become
    /// [`data_subjects`](crate::Metadata::data_subjects) of its metadata, before those of the command's context. Derived from
    /// `#[event(subject)]` on its fields.
    fn data_subjects(&self) -> Vec<String> {
        Vec::new()
    }

    /// Decodes a recorded payload of `event_type` and appends the events that it stands for: usually one; none or
    /// several when an upcaster dropped or split it.
    ///
    /// # Errors
    /// [`CodecError::UnknownType`] for a type outside [`EVENT_TYPES`](Self::EVENT_TYPES), [`CodecError::Decode`] when
    /// the payload does not fit it, [`CodecError::Upcast`] when an upcaster refuses it. Nothing is appended then.
    fn decode(event_type: &str, payload: &[u8], into: &mut Vec<Self>) -> Result<(), CodecError>;
}

/// The events that one reader understands: those of one aggregate, or, with `#[derive(EventSet)]`, of several.
///
/// Every [`DomainEvent`] is an event set of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a domain event nor a set of them",
    label = "not an event set",
    note = "derive `DomainEvent` for the events of one aggregate, `EventSet` for an enum whose variants each hold a `DomainEvent`"
)]
pub trait EventSet: Sized + Send + Sync + 'static {
    /// The event types that are decoded; a reader of this set asks the store for these only.
    ///
    /// # Panics
    /// Never for derived implementations, whose names are checked at compile time.
    fn event_types() -> Vec<EventType>;

    /// Decodes as [`DomainEvent::decode`] does.
    ///
    /// # Errors
    /// As [`DomainEvent::decode`].
    fn decode(event_type: &str, payload: &[u8], into: &mut Vec<Self>) -> Result<(), CodecError>;
}

impl<E: DomainEvent> EventSet for E {
    fn event_types() -> Vec<EventType> {
        E::EVENT_TYPES.iter().map(|name| EventType::from_static(name)).collect()
    }

    fn decode(event_type: &str, payload: &[u8], into: &mut Vec<Self>) -> Result<(), CodecError> {
        <E as DomainEvent>::decode(event_type, payload, into)
    }
}
