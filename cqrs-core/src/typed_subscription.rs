//! Following the log with events that are decoded.

use std::fmt;
use std::marker::PhantomData;

use crate::event::EventSet;
use crate::event_store::StoreError;
use crate::recorded_event::UndecodableEvent;
use crate::stream::GlobalPosition;
use crate::subscription::Subscription;
use crate::unknown_types::{Decoded, UnknownTypes};

/// A [`Subscription`] whose events are decoded.
///
/// What is unknown to it depends on what it is given: over [`Filter::EventTypes`](crate::Filter::EventTypes) of
/// [`E::event_types()`](EventSet::event_types) nothing is; over a category, or the whole log, events of types that were added
/// elsewhere are, and [`UnknownTypes`] says what becomes of them.
///
/// ```
/// # use cqrs_core::in_memory::InMemoryEventStore;
/// # use cqrs_core::Repository;
/// # use cqrs_testkit::sample::{Account, AccountEvent, AccountId, Open};
/// use cqrs_core::{Category, Decoded, EventStore, Filter, GlobalPosition, TypedSubscription, UnknownTypes};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let store = InMemoryEventStore::new();
/// # Repository::<Account>::new(store.clone()).execute(&AccountId::new("ACC-001"), Open { owner: "Ann".to_owned() }).await?;
/// let accounts = Filter::Categories(vec![Category::new("account")?]);
/// let raw = store.subscribe(GlobalPosition::START, accounts).await?;
/// let mut events = TypedSubscription::<AccountEvent>::new(raw).unknown_types(UnknownTypes::KeepRaw);
/// for event in events.next().await?.events {
///     match event {
///         Decoded::Known(event) => println!("{}: {:?}", event.stream, event.event),
///         Decoded::Unknown(raw) => println!("{}: {} {:?}", raw.stream, raw.event_type, raw.payload),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Contract
/// - As of [`Subscription`]: every event once, in order; what a dropped or failed [`next`](Self::next) did not deliver the
///   following one does.
/// - What an upcaster has made of one recorded event is delivered together.
/// - An event that cannot be decoded is never passed: what stands before it is delivered, and from then on this error.
pub struct TypedSubscription<E> {
    raw: Box<dyn Subscription>,
    unknown: UnknownTypes,
    /// What comes after the position, and for ever will.
    failed: Option<UndecodableEvent>,
    position: GlobalPosition,
    events: PhantomData<fn() -> E>,
}

/// A page of decoded events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedPage<E> {
    /// The events in position order. What an upcaster has made of one recorded event shares its position.
    pub events: Vec<Decoded<E>>,
    /// Everything that matches up to here has been delivered, or passed over as told: where a reader that keeps its place
    /// goes on.
    pub scanned_to: GlobalPosition,
    /// Whether it is known that the log goes on.
    pub more: bool,
}

/// Why typed events could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TypedReadError {
    /// The next event cannot be decoded.
    #[error(transparent)]
    Undecodable(#[from] UndecodableEvent),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<E: EventSet> TypedSubscription<E> {
    /// Decodes what `raw` delivers. Unknown types [fail](UnknownTypes::Fail) unless told otherwise.
    #[must_use]
    pub fn new(raw: Box<dyn Subscription>) -> Self {
        let position = raw.position();
        Self { raw, unknown: UnknownTypes::default(), failed: None, position, events: PhantomData }
    }

    /// What is done with events of unknown types.
    #[must_use]
    pub fn unknown_types(mut self, unknown: UnknownTypes) -> Self {
        self.unknown = unknown;
        self
    }

    /// The next page, as soon as there is one. Like those of the subscription within it may hold no events.
    ///
    /// # Errors
    /// [`TypedReadError`] when the store cannot be read, or the next event not decoded.
    pub async fn next(&mut self) -> Result<TypedPage<E>, TypedReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        let page = self.raw.next().await?;
        let (events, failed) = Decoded::decode_first(page.events, self.unknown);
        self.position = failed.as_ref().map_or(page.scanned_to, |error| error.position.previous());
        let more = page.more || failed.is_some();
        self.failed = failed;
        Ok(TypedPage { events, scanned_to: self.position, more })
    }

    /// Everything up to here has been delivered.
    #[must_use]
    pub fn position(&self) -> GlobalPosition {
        self.position
    }
}

impl<E> fmt::Debug for TypedSubscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSubscription")
            .field("raw", &self.raw)
            .field("unknown", &self.unknown)
            .finish_non_exhaustive()
    }
}
