//! Reactors: what users write to have something done about events, once and never again.

use async_trait::async_trait;
use cqrs_core::{EventSet, Failure, Recorded};

/// Does something about events that cannot be taken back: sends a mail, calls a service, starts a command.
///
/// A reactor is no [`Projector`](crate::Projector): it is run by [`Reactions`](crate::Reactions), which has no rebuild, so that
/// no replay sends the mails of five years again. What is not meant to happen does not compile:
///
/// ```compile_fail,E0277
/// # fn example(mail: impl cqrs_projections::Reactor, projections: cqrs_projections::Projections,
/// #     redis: impl cqrs_core::ReadModel) {
/// projections.add("welcome-mail", mail, redis);
/// # }
/// ```
/// ```compile_fail,E0599
/// # fn example(running: cqrs_projections::RunningReactions) {
/// running.rebuild("welcome-mail");
/// # }
/// ```
///
/// # Contract
/// - Events come in the order of their positions, one after the other, each at least once: again after a crash, and after an
///   error that was tried again. The id of the event (`event.id`) is the same each time: hand it on as the idempotency key.
///   (Where an upcaster makes several events of one, they share its id, and come again together.)
/// - An event is done with when `react` returns; then its position is stored.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reactor",
    label = "not a reactor",
    note = "implement `cqrs_projections::Reactor`: what is done about an event"
)]
pub trait Reactor: Send + Sync + 'static {
    /// The events that something is done about; others are not even read.
    type Event: EventSet;

    /// Does it. The future is not dropped in the middle, unless the process ends or [`Reactions`](crate::Reactions) are dropped.
    ///
    /// # Errors
    /// [`ReactError`] goes to the [`ErrorPolicy`](crate::ErrorPolicy), which by default tries again what may pass, and stops
    /// this reactor before an event that cannot be handled.
    async fn react(&self, event: &Recorded<Self::Event>) -> Result<(), ReactError>;
}

/// Why nothing could be done about an event.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReactError {
    /// It may succeed later: a timeout, a service that is away.
    #[error("it failed for now")]
    Transient(#[source] Failure),
    /// It cannot succeed as it is: malformed, against a rule, something missing.
    #[error("it failed")]
    Permanent(#[source] Failure),
}
