//! Queries to their handlers, through layers.

mod bus;
mod find;

pub use bus::{QueryBus, QueryBusBuilder};
pub use find::Find;

use crate::command::Context;
use crate::middleware::{Refusal, short_name};

/// A question to the read side, with the type of its answer. What may be missing is an `Option`: a missing document is none,
/// and no error.
///
/// ```
/// use cqrs_core::{Query, ReadModelError};
///
/// #[derive(Clone)]
/// struct BalanceOf { account: String }
///
/// impl Query for BalanceOf {
///     type Answer = Option<i64>;
///     type Error = ReadModelError;
///
///     fn is_transient(error: &ReadModelError) -> bool {
///         error.is_transient()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query",
    label = "not a query",
    note = "write `impl Query for {Self} {{ type Answer = …; type Error = …; }}`"
)]
pub trait Query: Sized + Clone + Send + Sync + 'static {
    /// What it is answered with.
    type Answer: Send + 'static;
    /// Why it is not.
    type Error: std::error::Error + Send + Sync + 'static;

    /// How it is called in traces; the name of the type unless told.
    #[must_use]
    fn name() -> &'static str {
        short_name::<Self>()
    }

    /// What can be said against it beforehand: a page 0, a word that is too long.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for one that no handler would answer.
    fn validate(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether it may be answered when it is [asked again](crate::middleware::retry); never unless told.
    #[must_use]
    fn is_transient(_error: &Self::Error) -> bool {
        false
    }
}

/// Answers queries of one type: a closure `async |query: Q, context: Context| …`, or a type of yours.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not answer the query `{Q}`",
    label = "no handler of `{Q}`",
    note = "write a closure `move |query: {Q}, context: Context| async move {{ … }}`, or `impl QueryHandler<{Q}> for {Self}`"
)]
pub trait QueryHandler<Q: Query>: Send + Sync + 'static {
    /// The answer. The context says who asks.
    fn answer(&self, query: Q, context: Context) -> impl Future<Output = Result<Q::Answer, Q::Error>> + Send;
}

impl<Q, F, Fut> QueryHandler<Q> for F
where
    Q: Query,
    F: Fn(Q, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Q::Answer, Q::Error>> + Send,
{
    fn answer(&self, query: Q, context: Context) -> impl Future<Output = Result<Q::Answer, Q::Error>> + Send {
        self(query, context)
    }
}
