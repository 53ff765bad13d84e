//! An aggregate while a command on several is decided.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::aggregate::{Apply, Handle, fold};
use crate::event_store::NewEvent;
use crate::failure::Failure;
use crate::name::StreamName;
use crate::repository::fold::Fold;
use crate::stream::{GlobalPosition, Version};

/// An event with its place among all that the command leads to.
pub(super) type Numbered = (u32, Result<NewEvent, Failure>);

/// An aggregate as it was loaded, and as the events that were decided so far make it. It reads like the state itself.
///
/// What is decided on it is written when the whole command is, or not at all.
pub struct Draft<A: Apply> {
    stream: StreamName,
    state: A,
    version: Option<Version>,
    position: GlobalPosition,
    /// Counts the events of all drafts of the command.
    numbers: Arc<AtomicU32>,
    events: Vec<Numbered>,
}

impl<A: Apply> Draft<A> {
    pub(super) fn new(stream: StreamName, found: Fold<A>, numbers: &Arc<AtomicU32>) -> Self {
        Self {
            stream,
            version: found.version(),
            position: found.last.map_or(GlobalPosition::START, |last| last.position),
            state: found.state,
            numbers: Arc::clone(numbers),
            events: Vec::new(),
        }
    }

    /// Decides a command on this aggregate. The state is then what its events make it.
    ///
    /// # Errors
    /// The domain's own reason for rejecting the command; nothing has happened to this aggregate then.
    pub fn handle<C>(&mut self, command: &C) -> Result<(), A::Error>
    where
        A: Handle<C>,
    {
        for event in self.state.handle(command)? {
            fold(&mut self.state, &event);
            let encoded = NewEvent::encode(self.stream.clone(), &event).map_err(Failure::new);
            self.events.push((self.numbers.fetch_add(1, Ordering::Relaxed), encoded));
        }
        Ok(())
    }

    /// The version at which it was loaded, `None` when it had no event.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }
}

impl<A: Apply> Deref for Draft<A> {
    type Target = A;
    fn deref(&self) -> &A {
        &self.state
    }
}

impl<A: Apply> fmt::Debug for Draft<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("stream", &self.stream)
            .field("version", &self.version)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// A draft of whatever aggregate.
pub trait AnyDraft {
    fn found(&self) -> (StreamName, Option<Version>);
    fn position(&self) -> GlobalPosition;
    fn take_events(&mut self) -> Vec<Numbered>;
}

impl<A: Apply> AnyDraft for Draft<A> {
    fn found(&self) -> (StreamName, Option<Version>) {
        (self.stream.clone(), self.version)
    }

    fn position(&self) -> GlobalPosition {
        self.position
    }

    fn take_events(&mut self) -> Vec<Numbered> {
        std::mem::take(&mut self.events)
    }
}
