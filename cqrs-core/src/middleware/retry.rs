//! What may pass by itself is tried again.

use tokio::time::Sleep;
use tower::BoxError;
use tower::retry::{Policy, RetryLayer};

use super::{Kind, Outcome, Request, Response};
use crate::backoff::Backoff;

/// Tries messages again that fail for a reason that may pass, so often at most, with pauses between.
///
/// - What is [transient](Outcome::Transient): the store or a read model is away, say.
/// - A command whose outcome is [unknown](Outcome::Unknown), or that [timed out](Outcome::TimedOut): it is repeated under the
///   same command id, which finds out what became of it and can never write twice.
/// - A query that timed out. An operation that did is not tried again: only its handler knows whether it may be.
#[must_use]
pub fn retry(times: u32, pauses: Backoff) -> RetryLayer<RetryTransient> {
    RetryLayer::new(RetryTransient { left: times, failures: 0, pauses })
}

/// The policy of [`retry`].
#[derive(Debug, Clone)]
pub struct RetryTransient {
    left: u32,
    failures: u32,
    pauses: Backoff,
}

impl Policy<Request, Response, BoxError> for RetryTransient {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request, result: &mut Result<Response, BoxError>) -> Option<Sleep> {
        let again = match Outcome::of(result) {
            Outcome::Transient => true,
            Outcome::Unknown => request.kind() == Kind::Command,
            Outcome::TimedOut => request.kind() != Kind::Operation,
            _ => false,
        };
        if !again {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        self.failures += 1;
        let pause = self.pauses.after(self.failures);
        if let Err(error) = result {
            tracing::warn!(name = request.name(), command_id = %request.command_id(), %error, ?pause, "it is tried again");
        }
        Some(tokio::time::sleep(pause))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}
