//! What a decision over tags leads to.

use std::fmt::Display;

use crate::event::DomainEvent;
use crate::event_store::NewEvent;
use crate::failure::Failure;
use crate::name::StreamName;

/// The events that a decision leads to, of any types and for any streams, in order. None says that there is nothing to do.
#[derive(Debug, Clone, Default)]
pub struct NewEvents {
    events: Vec<NewEvent>,
    /// The first one that could not be encoded, or had no stream.
    failed: Option<Failure>,
}

impl NewEvents {
    /// No events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These events and one more, for the stream of `id` in `category`.
    ///
    /// An event that cannot be encoded, or an id that cannot name a stream, fails the command:
    /// [`ExecuteError::Permanent`](crate::ExecuteError::Permanent).
    #[must_use]
    pub fn and<E: DomainEvent>(mut self, category: &str, id: &impl Display, event: &E) -> Self {
        let stream = StreamName::of(category, id).map_err(Failure::new);
        match stream.and_then(|stream| NewEvent::encode(stream, event).map_err(Failure::new)) {
            Ok(event) => self.events.push(event),
            Err(failure) => {
                self.failed.get_or_insert(failure);
            }
        }
        self
    }

    /// The events, encoded.
    ///
    /// # Errors
    /// Why one of them could not be encoded, or had no stream.
    pub fn into_events(self) -> Result<Vec<NewEvent>, Failure> {
        self.failed.map_or(Ok(self.events), Err)
    }
}
