//! What a handler answers, as layers see it.

use std::any::Any;
use std::fmt;

use crate::repository::Executed;

/// What a handler answered.
pub struct Response(Answer);

enum Answer {
    Executed(Executed),
    Any(Box<dyn Any + Send>),
}

impl Response {
    /// What a command led to.
    #[must_use]
    pub fn executed(executed: Executed) -> Self {
        Self(Answer::Executed(executed))
    }

    /// What an operation or a query is answered with: the `Answer` of that very type, or its caller gets an error.
    #[must_use]
    pub fn answer<R: Send + 'static>(answer: R) -> Self {
        Self(Answer::Any(Box::new(answer)))
    }

    /// What a command led to; `None` for operations and queries.
    #[must_use]
    pub const fn as_executed(&self) -> Option<&Executed> {
        match &self.0 {
            Answer::Executed(executed) => Some(executed),
            Answer::Any(_) => None,
        }
    }

    /// What an operation or a query is answered with, when it is an `R`.
    #[must_use]
    pub fn as_answer<R: 'static>(&self) -> Option<&R> {
        match &self.0 {
            Answer::Executed(_) => None,
            Answer::Any(answer) => answer.downcast_ref(),
        }
    }

    pub(crate) fn into_executed(self) -> Option<Executed> {
        match self.0 {
            Answer::Executed(executed) => Some(executed),
            Answer::Any(_) => None,
        }
    }

    pub(crate) fn into_answer<R: 'static>(self) -> Option<R> {
        match self.0 {
            Answer::Executed(_) => None,
            Answer::Any(answer) => answer.downcast().ok().map(|answer| *answer),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Answer::Executed(executed) => f.debug_tuple("Response").field(executed).finish(),
            Answer::Any(_) => f.debug_struct("Response").finish_non_exhaustive(),
        }
    }
}
