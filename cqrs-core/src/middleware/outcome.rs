//! What became of a message, in one word.

use std::fmt;

use tower::BoxError;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

use super::{HandlerError, Refusal, Response};

/// What became of a message, for layers that count, trace or try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A command was carried out.
    Executed,
    /// A command had been carried out before.
    Repeated,
    /// A command had nothing to do.
    Nothing,
    /// An operation or a query was answered.
    Answered,
    /// The domain, or the handler, says no.
    Rejected,
    /// Another writer was faster, or the aggregate is not as the caller expected.
    Conflict,
    /// A unique key is taken.
    Claimed,
    /// The aggregate is archived.
    Archived,
    /// The message is malformed.
    Invalid,
    /// Who asks may not.
    Forbidden,
    /// The bus has no handler for it.
    Unregistered,
    /// It took too long.
    TimedOut,
    /// It is not known whether something was written.
    Unknown,
    /// It may succeed later.
    Transient,
    /// It cannot succeed.
    Permanent,
}

impl Outcome {
    /// What a result means.
    #[must_use]
    pub fn of(result: &Result<Response, BoxError>) -> Self {
        match result {
            Ok(response) => match response.as_executed() {
                None => Self::Answered,
                Some(executed) if executed.repeated => Self::Repeated,
                Some(executed) if executed.events == 0 => Self::Nothing,
                Some(_) => Self::Executed,
            },
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: &BoxError) -> Self {
        if let Some(error) = error.downcast_ref::<HandlerError>() {
            return error.outcome();
        }
        match error.downcast_ref::<Refusal>() {
            Some(Refusal::Invalid { .. }) => Self::Invalid,
            Some(Refusal::Forbidden { .. }) => Self::Forbidden,
            Some(Refusal::Unregistered { .. }) => Self::Unregistered,
            Some(Refusal::Unavailable(_)) => Self::Transient,
            None if error.is::<Elapsed>() => Self::TimedOut,
            None if error.is::<Overloaded>() => Self::Transient,
            None => Self::Permanent,
        }
    }

    /// The word: `executed`, `rejected`, `timed out`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Repeated => "repeated",
            Self::Nothing => "nothing to do",
            Self::Answered => "answered",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Claimed => "claimed",
            Self::Archived => "archived",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::Unregistered => "unregistered",
            Self::TimedOut => "timed out",
            Self::Unknown => "unknown",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
