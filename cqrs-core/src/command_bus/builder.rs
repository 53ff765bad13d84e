//! A command bus that is being put together.

use std::fmt;

use tower::{BoxError, Layer, Service, service_fn};

use super::{Command, CommandBus, Operation};
use crate::command::Context;
use crate::middleware::{
    BoxHandler, HandlerError, Layered, Outcome, Refusal, Request, Response, Route, Rules, answer, short_name,
};
use crate::repository::{ExecuteError, Repository};

/// Why a bus cannot be put together like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBus {
    /// Two handlers are registered for one message.
    #[error("{name} has two handlers")]
    RegisteredTwice {
        /// The name of the message.
        name: &'static str,
    },
    /// A layer is meant for a message that has no handler yet.
    #[error("{name} has a layer, but no handler before it")]
    Unregistered {
        /// The name of the message.
        name: &'static str,
    },
}

/// Puts a [`CommandBus`] together.
#[derive(Default)]
#[must_use = "a bus begins with `build`"]
pub struct CommandBusBuilder(Layered);

impl CommandBusBuilder {
    /// The aggregates of `repository` decide the command `C`.
    pub fn register<C: Command>(mut self, repository: &Repository<C::Aggregate>) -> Self {
        let repository = repository.clone();
        let service = service_fn(move |request: Request| {
            let repository = repository.clone();
            async move { execute::<C>(&repository, &request).await }
        });
        self.0.route::<C>(Route { name: C::name(), service: BoxHandler::new(service) });
        self
    }

    /// A handler of its own for the operation `O`. It may be called more than once for one operation, when that is tried again.
    pub fn handler<O, F, Fut>(mut self, handler: F) -> Self
    where
        O: Operation,
        F: Fn(O, Context) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<O::Answer, O::Error>> + Send + 'static,
    {
        let rules = Rules { validate: O::validate, is_transient: O::is_transient };
        self.0.route::<O>(answer(O::name(), rules, handler));
        self
    }

    /// A layer around all handlers, also those that are registered later. The first one that is added is the outermost.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<BoxHandler> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.0.layer(layer);
        self
    }

    /// A layer around the handler of one message (a command or an operation), within those around all handlers.
    pub fn layer_for<M, L>(mut self, layer: L) -> Self
    where
        M: 'static,
        L: Layer<BoxHandler> + Send + Sync + 'static,
        L::Service: Service<Request, Response = Response> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.0.layer_for::<M, L>(short_name::<M>(), layer);
        self
    }

    /// The bus.
    ///
    /// # Errors
    /// [`InvalidBus`] when a message has two handlers, or a layer but no handler.
    pub fn build(self) -> Result<CommandBus, InvalidBus> {
        self.0.build().map(CommandBus)
    }
}

impl fmt::Debug for CommandBusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandBusBuilder").finish_non_exhaustive()
    }
}

/// The innermost service: an attempt of a command.
async fn execute<C: Command>(repository: &Repository<C::Aggregate>, request: &Request) -> Result<Response, BoxError> {
    let unregistered = || Refusal::Unregistered { name: request.name() };
    let command = request.shared::<C>().ok_or_else(unregistered)?;
    let stream = request.stream().ok_or_else(unregistered)?;
    command.validate()?;
    let attempt = request.attempts().begin();
    let context = request.context(attempt.is_first());
    let error = match repository.execute_on(stream, command, context).await {
        Ok(executed) => return Ok(Response::executed(executed)),
        Err(error) => error,
    };
    let outcome = match &error {
        ExecuteError::Unknown { .. } => Outcome::Unknown,
        ExecuteError::Transient(_) => Outcome::Transient,
        ExecuteError::Permanent(_) | ExecuteError::Refused(_) => Outcome::Permanent,
        ExecuteError::Domain(_) => Outcome::Rejected,
        ExecuteError::Conflict { .. } | ExecuteError::Matched { .. } => Outcome::Conflict,
        ExecuteError::Claimed { .. } => Outcome::Claimed,
        ExecuteError::Archived { .. } => Outcome::Archived,
    };
    match outcome {
        Outcome::Unknown => {}
        Outcome::Transient | Outcome::Permanent => attempt.wrote_nothing(),
        // It was looked up that no attempt before this one has written.
        _ => attempt.settled(),
    }
    Err(HandlerError::new(outcome, error).into())
}
