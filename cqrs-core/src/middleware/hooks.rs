//! Checks before the handler, and `tower`'s own layers that most buses want.

use std::time::Duration;

use futures::future::BoxFuture;
use tower::BoxError;
use tower::filter::{AsyncFilterLayer, FilterLayer};
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;

use super::{Refusal, Request};

/// Refuses what a check refuses, before anything is loaded: rules for many messages (who corrects an entry has to say why).
/// Rules of one message are better kept with it: [`Command::validate`](crate::Command::validate).
///
/// ```
/// use cqrs_core::middleware::{Refusal, Request, validate};
/// let layer = validate(|request: &Request| match request.metadata().reason {
///     None if request.name() == "Correct" => Err(Refusal::invalid("a correction has a reason")),
///     _ => Ok(()),
/// });
/// # drop(layer);
/// ```
pub fn validate<F>(check: F) -> FilterLayer<impl FnMut(Request) -> Result<Request, Refusal> + Clone + Send + Sync>
where
    F: Fn(&Request) -> Result<(), Refusal> + Clone + Send + Sync + 'static,
{
    FilterLayer::new(move |request: Request| check(&request).map(|()| request))
}

/// Asks a hook whether who asks may: by the name of the message, its [actor](Request::actor) and what is in it.
///
/// The hook gives the request on, also with more said of it, or fails with [`Refusal::Forbidden`]. One that cannot tell now
/// fails with [`Refusal::Unavailable`]. Any other error is [permanent](crate::ExecuteError::Permanent).
///
/// ```
/// # #[derive(Clone)] struct Withdraw { amount: i64 }
/// use cqrs_core::middleware::{Refusal, Request, authorise};
/// let layer = authorise(async |request: Request| {
///     let large = request.message::<Withdraw>().is_some_and(|withdraw| withdraw.amount > 1_000_000);
///     if large && request.actor() != Some("manager") {
///         return Err(Refusal::forbidden("so much only by a manager"));
///     }
///     Ok(request)
/// });
/// # drop(layer);
/// ```
pub fn authorise<F, Fut, E>(
    hook: F,
) -> AsyncFilterLayer<impl FnMut(Request) -> BoxFuture<'static, Result<Request, BoxError>> + Clone + Send + Sync>
where
    F: Fn(Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Request, E>> + Send + 'static,
    E: Into<BoxError>,
{
    AsyncFilterLayer::new(move |request: Request| {
        let decided = hook(request);
        Box::pin(async move { decided.await.map_err(Into::into) }) as BoxFuture<'static, _>
    })
}

/// Gives up on what takes longer. A command that had not begun by then was certainly not carried out
/// ([`Transient`](crate::ExecuteError::Transient)); of one that had, the outcome is
/// [`Unknown`](crate::ExecuteError::Unknown) and can be found out.
#[must_use]
pub fn timeout(after: Duration) -> TimeoutLayer {
    TimeoutLayer::new(after)
}

/// Lets so many through at once; the others wait before it, in order.
#[must_use]
pub fn concurrency_limit(at_once: usize) -> ConcurrencyLimitLayer {
    ConcurrencyLimitLayer::new(at_once)
}
