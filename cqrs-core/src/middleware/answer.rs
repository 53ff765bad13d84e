//! Handlers of operations and queries, and their answers back to the caller.

use std::error::Error;
use std::sync::Arc;

use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;
use tower::{BoxError, service_fn};

use super::{Attempts, BoxHandler, HandlerError, Outcome, Refusal, Request, Response};
use crate::bus_error::BusError;
use crate::command::Context;
use crate::failure::Failure;

/// The handler of one type of message.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) service: BoxHandler,
}

/// What a message says of itself, for its handler.
pub(crate) struct Rules<T, E> {
    pub(crate) validate: fn(&T) -> Result<(), Refusal>,
    pub(crate) is_transient: fn(&E) -> bool,
}

/// A handler that answers an operation or a query.
pub(crate) fn answer<T, R, E, F, Fut>(name: &'static str, rules: Rules<T, E>, handler: F) -> Route
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
    E: Error + Send + Sync + 'static,
    F: Fn(T, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, E>> + Send + 'static,
{
    let shared = Arc::new((rules, handler));
    let service = service_fn(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move {
            let (rules, handler) = &*shared;
            let message = request.message::<T>().ok_or_else(|| Refusal::Unregistered { name: request.name() })?;
            (rules.validate)(message)?;
            let attempt = request.attempts().begin();
            match handler(message.clone(), request.context(false)).await {
                Ok(answer) => Ok(Response::answer(answer)),
                Err(error) => {
                    attempt.wrote_nothing();
                    let outcome = if (rules.is_transient)(&error) { Outcome::Transient } else { Outcome::Rejected };
                    Err(BoxError::from(HandlerError::new(outcome, error)))
                }
            }
        }
    });
    Route { name, service: BoxHandler::new(service) }
}

/// What the caller of an operation or a query is told.
pub(crate) fn answered<R, E>(result: Result<Response, BoxError>, attempts: &Attempts) -> Result<R, BusError<E>>
where
    R: 'static,
    E: Error + Send + Sync + 'static,
{
    let error = match result {
        Ok(response) => {
            return response
                .into_answer()
                .ok_or_else(|| BusError::Layer(Failure::new("a layer answered with another type")));
        }
        Err(error) => error,
    };
    let error = match error.downcast::<HandlerError>() {
        Ok(error) => match error.into_inner() {
            Ok(error) => return Err(BusError::Handler(error)),
            Err(error) => error,
        },
        Err(error) => error,
    };
    Err(match error.downcast::<Refusal>() {
        Ok(refusal) => match *refusal {
            Refusal::Unavailable(failure) => BusError::Transient(failure),
            refusal => BusError::Refused(refusal),
        },
        Err(error) if error.is::<Elapsed>() && attempts.unknown() => BusError::TimedOut,
        Err(error) if error.is::<Elapsed>() || error.is::<Overloaded>() => BusError::Transient(Failure::new(error)),
        Err(error) => BusError::Layer(Failure::new(error)),
    })
}
