//! A span for each message.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tower::{BoxError, Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::{Kind, Outcome, Request, Response};

/// A span of level `info` for each message, named `command`, `operation` or `query`. It has the fields `name`, `aggregate`,
/// `stream`, `command_id` and `correlation_id`, and, once it is answered, `outcome` (as [`Outcome`] says it) with
/// `events`, `version` and `position`. What fails for another reason than the domain's has its `error`; of a rejection no text
/// is told, since it may speak of persons. A message whose caller went away has no outcome.
#[must_use]
pub const fn trace() -> TraceLayer {
    TraceLayer(())
}

/// The layer of [`trace`].
#[derive(Debug, Clone, Copy)]
pub struct TraceLayer(());

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

/// The service of [`trace`].
#[derive(Debug, Clone)]
pub struct Trace<S> {
    inner: S,
}

impl<S> Service<Request> for Trace<S>
where
    S: Service<Request, Response = Response>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let span = span(&request);
        let answer = span.in_scope(|| self.inner.call(request));
        let recorded = span.clone();
        let traced = async move {
            let result = answer.await.map_err(Into::into);
            record(&recorded, &result);
            result
        };
        Box::pin(traced.instrument(span))
    }
}

fn span(request: &Request) -> Span {
    macro_rules! span {
        ($name:literal) => {
            tracing::info_span!(
                $name,
                name = request.name(),
                aggregate = request.stream().map(|stream| stream.category()),
                stream = request.stream().map(|stream| stream.as_str()),
                command_id = %request.command_id(),
                correlation_id = request.correlation_id().map(tracing::field::display),
                outcome = Empty,
                events = Empty,
                version = Empty,
                position = Empty,
                error = Empty,
            )
        };
    }
    match request.kind() {
        Kind::Command => span!("command"),
        Kind::Operation => span!("operation"),
        Kind::Query => span!("query"),
    }
}

fn record(span: &Span, result: &Result<Response, BoxError>) {
    let outcome = Outcome::of(result);
    span.record("outcome", outcome.as_str());
    match result {
        Ok(response) => {
            if let Some(executed) = response.as_executed() {
                span.record("events", executed.events);
                span.record("version", executed.version.map(|version| version.get()));
                span.record("position", executed.position.get());
            }
        }
        Err(_) if outcome == Outcome::Rejected => {}
        Err(error) => drop(span.record("error", tracing::field::display(error))),
    }
}
