//! Aggregates: state folded from events, and decisions on it. Pure and synchronous, without I/O and without a clock.

use std::fmt::Display;
use std::hash::Hash;
use std::num::NonZeroU32;

use crate::event::DomainEvent;

/// A consistency boundary whose state is folded from its own stream of events.
///
/// Derive it:
/// `#[aggregate(stream = "account", id = AccountId, event = AccountEvent, error = AccountError, snapshot(every = 100, version = 1))]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "not an aggregate",
    note = "add `#[derive(Default, Aggregate)]` and `#[aggregate(stream = \"…\", id = …, event = …, error = …)]` to `{Self}`"
)]
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    /// Identifies one aggregate; its `Display` is the part of the stream's name after the category.
    /// It must not hold personal data: names of streams are never erased.
    type Id: Display + Clone + Eq + Hash + Send + Sync + 'static;
    /// The events of this aggregate.
    type Event: DomainEvent;
    /// Why a command is rejected.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The category of the streams: `account` for `account-ACC-001`.
    const CATEGORY: &'static str;
    /// When snapshots are taken and which state they hold; `None` never takes one.
    const SNAPSHOT: Option<SnapshotPolicy>;
}

/// When a snapshot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// A snapshot for each so many events of a stream, at least 1.
    pub every: NonZeroU32,
    /// The version of the state's shape. Raise it when the state changes: older snapshots are then discarded before
    /// they are decoded, and the state is folded again.
    pub version: u32,
}

impl SnapshotPolicy {
    /// A snapshot every `every` events (0 is taken as 1) of state version `version`.
    #[must_use]
    pub const fn every(every: u32, version: u32) -> Self {
        let every = match NonZeroU32::new(every) {
            Some(every) => every,
            None => NonZeroU32::MIN,
        };
        Self { every, version }
    }
}

/// How an event changes the state. Pure and total: an event has happened, it cannot be refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how events change it",
    note = "write `impl Apply for {Self} {{ fn apply(&mut self, event: &…Event) {{ … }} }}`"
)]
pub trait Apply: Aggregate {
    /// Changes the state to what it is after `event`.
    fn apply(&mut self, event: &Self::Event);
}

/// How a command is decided. Pure: it reads the state, and answers with what happened or why not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle the command `{C}`",
    label = "no `Handle<{C}>` for this aggregate",
    note = "write `impl Handle<{C}> for {Self} {{ fn handle(&self, command: &{C}) -> Result<Vec<Self::Event>, Self::Error> {{ … }} }}`"
)]
pub trait Handle<C>: Apply {
    /// The events that the command leads to, none when there is nothing to do.
    ///
    /// # Errors
    /// The domain's own reason for rejecting the command; nothing is written then.
    fn handle(&self, command: &C) -> Result<Vec<Self::Event>, Self::Error>;
}
