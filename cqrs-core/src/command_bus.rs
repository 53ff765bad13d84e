//! Commands to their handlers, through layers.

mod builder;
mod command;

pub use builder::{CommandBusBuilder, InvalidBus};
pub use command::{Command, Operation};

use tower::BoxError;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use crate::aggregate::Aggregate;
use crate::bus_error::BusError;
use crate::command::Context;
use crate::failure::Failure;
use crate::id::{CommandId, EventId};
use crate::middleware::{Attempts, Bus, HandlerError, Kind, Refusal, Request, answered};
use crate::name::StreamName;
use crate::repository::{ExecuteError, Executed, LoadError};

type IdOf<C> = <<C as Command>::Aggregate as Aggregate>::Id;
type ErrorOf<C> = <<C as Command>::Aggregate as Aggregate>::Error;

/// Brings commands to the aggregates that decide them, and operations to their handlers, through [layers](crate::middleware).
///
/// It is cheap to clone; clones share everything.
///
/// ```
/// use std::time::Duration;
///
/// use cqrs_core::middleware::{Refusal, Request, authorise, concurrency_limit, retry, timeout, trace};
/// use cqrs_core::{Backoff, Command, CommandBus, Context, ExecuteError, Repository, in_memory::InMemoryEventStore};
/// use cqrs_testkit::sample::{Account, AccountId, Deposit, Open};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // impl Command for Open { type Aggregate = Account; } and so on
/// let accounts = Repository::<Account>::new(InMemoryEventStore::new()).cache(10_000);
/// let bus = CommandBus::builder()
///     .register::<Open>(&accounts)
///     .register::<Deposit>(&accounts)
///     .layer(trace())
///     .layer(authorise(async |request: Request| match request.actor() {
///         Some(_) => Ok(request),
///         None => Err(Refusal::forbidden("nobody asks")),
///     }))
///     .layer(concurrency_limit(256))
///     .layer(retry(3, Backoff::default()))
///     .layer(timeout(Duration::from_secs(5)))
///     .build()?;
///
/// let id = AccountId::new("ACC-001");
/// bus.dispatch(&id, Open { owner: "Ann".to_owned() }, Context::new().actor("teller-7")).await?;
/// let done = bus.dispatch(&id, Deposit::new(5, "EUR"), Context::new().actor("teller-7")).await?;
/// assert_eq!(done.events, 1);
/// let refused = bus.dispatch(&id, Deposit::new(5, "EUR"), Context::new()).await;
/// assert!(matches!(refused, Err(ExecuteError::Refused(Refusal::Forbidden { .. }))));
/// # Ok(())
/// # }
/// ```
///
/// # Commands that come again
/// A command under an id that the caller [gave](Context::command_id) is carried out once, whatever happens: the same id again
/// is answered with the **first outcome**, also in parallel, from another process and after a crash between commit and
/// answer. A command that is tried again by a layer keeps its id, and so does one that was given none.
///
/// What is remembered is what was written, and nothing besides. A command that was rejected, or had nothing to do, has left no
/// trace: under the same id it is decided again, on the state as it is by then, and may succeed. Once it has, that is its
/// first outcome.
#[derive(Debug, Clone)]
pub struct CommandBus(Bus);

impl CommandBus {
    /// A bus without handlers.
    pub fn builder() -> CommandBusBuilder {
        CommandBusBuilder::default()
    }

    /// Has a command carried out on one aggregate.
    ///
    /// # Errors
    /// See [`ExecuteError`]: each variant is a decision for the caller. [`ExecuteError::Unknown`] also when a layer gave up on
    /// a command that had begun; it then names the first event that the command would lead to.
    pub async fn dispatch<C: Command>(
        &self,
        id: &IdOf<C>,
        command: C,
        context: Context,
    ) -> Result<Executed, ExecuteError<ErrorOf<C>>> {
        let stream = StreamName::of(C::Aggregate::CATEGORY, id).map_err(LoadError::from)?;
        let request = Request::new(Kind::Command, C::name(), command, context).addressed_to(stream);
        let (attempts, command_id) = (std::sync::Arc::clone(request.attempts()), request.command_id());
        match self.0.call(request).await {
            Ok(response) => response
                .into_executed()
                .ok_or_else(|| decided("a layer answered with another type".into(), &attempts, command_id)),
            Err(error) => Err(decided(error, &attempts, command_id)),
        }
    }

    /// Has an operation carried out.
    ///
    /// # Errors
    /// See [`BusError`]: each variant is a decision for the caller.
    pub async fn perform<O: Operation>(&self, operation: O, context: Context) -> Result<O::Answer, BusError<O::Error>> {
        let request = Request::new(Kind::Operation, O::name(), operation, context);
        let attempts = std::sync::Arc::clone(request.attempts());
        answered(self.0.call(request).await, &attempts)
    }
}

fn unknown<E: std::error::Error + Send + Sync + 'static>(command: CommandId) -> ExecuteError<E> {
    ExecuteError::Unknown { event_ids: vec![EventId::derive(command, 0)] }
}

/// What the caller of a command is told: never that nothing was written, unless that is certain of all attempts.
fn decided<E: std::error::Error + Send + Sync + 'static>(
    error: BoxError,
    attempts: &Attempts,
    command: CommandId,
) -> ExecuteError<E> {
    let error = match error.downcast::<HandlerError>().map(|error| error.into_inner::<ExecuteError<E>>()) {
        Ok(Ok(error @ ExecuteError::Unknown { .. })) => return error,
        Ok(Ok(_)) | Ok(Err(_)) | Err(_) if attempts.unknown() => return unknown(command),
        Ok(Ok(error)) => return error,
        Ok(Err(error)) | Err(error) => error,
    };
    match error.downcast::<Refusal>().map(|refusal| *refusal) {
        Ok(Refusal::Unavailable(failure)) => ExecuteError::Transient(failure),
        Ok(refusal) => ExecuteError::Refused(refusal),
        Err(error) if error.is::<Elapsed>() || error.is::<Overloaded>() => ExecuteError::Transient(Failure::new(error)),
        Err(error) => ExecuteError::Permanent(Failure::new(error)),
    }
}
