//! Aggregates: state folded from events, and decisions on it. Pure and synchronous, without I/O and without a clock.

pub(crate) mod id_value;

use std::fmt::Display;
use std::hash::Hash;

use crate::event::DomainEvent;
use crate::snapshot_policy::SnapshotPolicy;

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
    /// When snapshots are taken, unless the repository is told otherwise.
    const SNAPSHOT: SnapshotPolicy;
    /// The version of the state's shape. Raise it when the state, or what an event does to it, changes: older snapshots are
    /// then discarded before they are decoded, and the state is folded again.
    const STATE_VERSION: u32;
}

/// How an event changes the state. Pure and total: an event has happened, it cannot be refused.
///
/// Whoever replays events calls [`fold`], which knows of those that restart the state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say how events change it",
    note = "write `impl Apply for {Self} {{ fn apply(&mut self, event: &…Event) {{ … }} }}`"
)]
pub trait Apply: Aggregate {
    /// Changes the state to what it is after `event`.
    fn apply(&mut self, event: &Self::Event);
}

/// Folds an event into a state: applies it, to the default state when the event
/// [restarts](DomainEvent::restarts_state) it.
pub fn fold<A: Apply>(state: &mut A, event: &A::Event) {
    if event.restarts_state() {
        *state = A::default();
    }
    state.apply(event);
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
