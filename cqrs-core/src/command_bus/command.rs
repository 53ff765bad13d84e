//! Commands that a bus brings to their handlers.

use crate::aggregate::Handle;
use crate::middleware::{Refusal, short_name};

/// A command that one aggregate decides: says which kind of aggregate, so that a [`CommandBus`](crate::CommandBus) finds it.
///
/// ```
/// use cqrs_core::middleware::Refusal;
/// # use cqrs_core::{Aggregate, Apply, Command, DomainEvent, Handle};
/// # #[derive(serde::Serialize, serde::Deserialize, DomainEvent)]
/// # #[event(domain = "account")]
/// # enum AccountEvent { Withdrawn { amount: i64 } }
/// # #[derive(Clone, Default, Aggregate)]
/// # #[aggregate(stream = "account", id = String, event = AccountEvent, error = std::fmt::Error)]
/// # struct Account;
/// # impl Apply for Account { fn apply(&mut self, _: &AccountEvent) {} }
/// # impl Handle<Withdraw> for Account {
/// #     fn handle(&self, command: &Withdraw) -> Result<Vec<AccountEvent>, std::fmt::Error> { Ok(vec![]) }
/// # }
/// struct Withdraw { amount: i64 }
///
/// impl Command for Withdraw {
///     type Aggregate = Account;
///
///     fn validate(&self) -> Result<(), Refusal> {
///         if self.amount > 0 { Ok(()) } else { Err(Refusal::invalid("an amount is positive")) }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which aggregate decides it",
    label = "not a command of a bus",
    note = "write `impl Command for {Self} {{ type Aggregate = …; }}`"
)]
pub trait Command: Sized + Send + Sync + 'static {
    /// The aggregate that decides it.
    type Aggregate: Handle<Self>;

    /// How it is called in traces and in the [metadata](crate::Metadata::command) of its events; the name of the type unless
    /// told.
    #[must_use]
    fn name() -> &'static str {
        short_name::<Self>()
    }

    /// What can be said against it without knowing the aggregate. It is asked before anything is loaded.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a command that no aggregate would accept.
    fn validate(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A command whose handler is written by hand: one that takes several aggregates, say.
///
/// Its handler is given a [`Context`](crate::Context) with the command's id, of which [`part`](crate::Context::part) makes
/// those of the commands that it leads to: repeated, an operation then repeats them and nothing is done twice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an operation",
    label = "not an operation",
    note = "write `impl Operation for {Self} {{ type Answer = …; type Error = …; }}`"
)]
pub trait Operation: Sized + Clone + Send + Sync + 'static {
    /// What its handler answers.
    type Answer: Send + 'static;
    /// Why its handler does not.
    type Error: std::error::Error + Send + Sync + 'static;

    /// How it is called in traces and in the [metadata](crate::Metadata::command) of its events; the name of the type unless
    /// told.
    #[must_use]
    fn name() -> &'static str {
        short_name::<Self>()
    }

    /// What can be said against it beforehand.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for one that no handler would accept.
    fn validate(&self) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether it may succeed when it is [tried again](crate::middleware::retry) under the same id; never unless told.
    #[must_use]
    fn is_transient(_error: &Self::Error) -> bool {
        false
    }
}
