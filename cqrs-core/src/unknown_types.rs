//! Events of types that a reader does not know, and what it does with them.

use crate::codec::CodecError;
use crate::event::EventSet;
use crate::recorded_event::{Recorded, RecordedEvent, UndecodableEvent};

/// What a reader does with an event whose type it does not know: one that is neither written today nor declared to be an
/// older version, a former name, retired or dropped.
///
/// Only the type is meant. An event of a known type that cannot be decoded is an error for every reader.
///
/// A [`Repository`](crate::Repository) always fails: to decide on a state that lacks an event is to decide wrongly. A
/// projection asks the store for the types that it knows, and never sees another. What is a decision of yours:
/// [`TypedSubscription`](crate::TypedSubscription) and [`Decoded::decode_all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UnknownTypes {
    /// It is an error, and the reader goes no further: for a reader that must see all, until a version of the program
    /// runs that knows the type.
    #[default]
    Fail,
    /// It is passed over: for a reader to whom it is certain to mean nothing.
    Skip,
    /// It is given as it was recorded: for a reader that passes events on, or shows them.
    KeepRaw,
}

/// An event as far as a reader knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded<E> {
    /// An event of today.
    Known(Recorded<E>),
    /// An event of an unknown type, of a reader that [keeps](UnknownTypes::KeepRaw) such.
    Unknown(RecordedEvent),
}

impl<E> Decoded<E> {
    /// The event as it was recorded.
    #[must_use]
    pub fn raw(&self) -> &RecordedEvent {
        match self {
            Self::Known(event) => &event.raw,
            Self::Unknown(raw) => raw,
        }
    }

    /// The event of today, where it is one.
    #[must_use]
    pub fn known(self) -> Option<Recorded<E>> {
        match self {
            Self::Known(event) => Some(event),
            Self::Unknown(_) => None,
        }
    }
}

impl<E: EventSet> Decoded<E> {
    /// Decodes a page of raw events in order.
    ///
    /// # Errors
    /// [`UndecodableEvent`] names the first event that cannot be decoded, or is of an unknown type where that
    /// [fails](UnknownTypes::Fail).
    pub fn decode_all(page: Vec<RecordedEvent>, unknown: UnknownTypes) -> Result<Vec<Self>, UndecodableEvent> {
        match Self::decode_first(page, unknown) {
            (decoded, None) => Ok(decoded),
            (_, Some(error)) => Err(error),
        }
    }

    /// Decodes the events before the first that cannot be.
    pub(crate) fn decode_first(
        page: Vec<RecordedEvent>,
        unknown: UnknownTypes,
    ) -> (Vec<Self>, Option<UndecodableEvent>) {
        let mut decoded = Vec::with_capacity(page.len());
        let (mut events, mut known) = (Vec::new(), Vec::with_capacity(1));
        for raw in page {
            let kept = (unknown == UnknownTypes::KeepRaw).then(|| raw.clone());
            match Recorded::decode_into(raw, &mut events, &mut known) {
                Ok(()) => decoded.extend(known.drain(..).map(Self::Known)),
                Err(UndecodableEvent { source: CodecError::UnknownType(_), .. }) if unknown != UnknownTypes::Fail => {
                    decoded.extend(kept.map(Self::Unknown));
                }
                Err(error) => return (decoded, Some(error)),
            }
        }
        (decoded, None)
    }
}
