//! Unique keys: an e-mail address, say, that one stream at most may hold at a time.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

mod changes;
mod key;

pub use changes::ClaimChange;
pub(crate) use changes::ClaimChanges;
pub use key::{ClaimKey, InvalidClaim};

/// The keys that an event releases and takes for its stream. It releases first, so that an event may release and take
/// the same key.
///
/// A claim belongs to the stream, from the event that takes it to the one that releases it:
/// - taking a key that another stream holds refuses the append ([`AppendError::Claimed`](crate::AppendError::Claimed));
/// - taking one that the stream holds already changes nothing;
/// - releasing one that the stream does not hold changes nothing, whoever holds it: a stream from before its keys were
///   claimed can go on, and no stream can release what is another's.
///
/// Appends that race for a key are decided one after the other, as all appends are: one wins, the others are told who did.
/// The store writes the keys into the event's [`Metadata`](crate::Metadata): the log alone says who holds what, also where
/// it is exported to. Events from before a field was claimed hold nothing; an event that claims, appended to each of their
/// streams, makes up for it.
///
/// ```
/// use cqrs_core::in_memory::InMemoryEventStore;
/// use cqrs_core::{Aggregate, Apply, DomainEvent, ExecuteError, Handle, Repository};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, DomainEvent)]
/// #[event(domain = "user")]
/// enum UserEvent {
///     SignedUp {
///         #[event(claim = "email")]
///         email: String,
///     },
///     Left {
///         #[event(release = "email")]
///         email: String,
///     },
/// }
///
/// #[derive(Clone, Default, Aggregate)]
/// #[aggregate(stream = "user", id = u64, event = UserEvent, error = std::fmt::Error)]
/// struct User {
///     email: String,
/// }
///
/// impl Apply for User {
///     fn apply(&mut self, event: &UserEvent) {
///         match event {
///             UserEvent::SignedUp { email } => self.email = email.clone(),
///             UserEvent::Left { .. } => self.email.clear(),
///         }
///     }
/// }
///
/// struct SignUp(&'static str);
/// struct Leave;
///
/// impl Handle<SignUp> for User {
///     fn handle(&self, command: &SignUp) -> Result<Vec<UserEvent>, std::fmt::Error> {
///         Ok(vec![UserEvent::SignedUp { email: command.0.trim().to_lowercase() }])
///     }
/// }
///
/// impl Handle<Leave> for User {
///     fn handle(&self, _: &Leave) -> Result<Vec<UserEvent>, std::fmt::Error> {
///         Ok(vec![UserEvent::Left { email: self.email.clone() }])
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let users = Repository::<User>::new(InMemoryEventStore::new());
/// users.execute(&1, SignUp("ann@example.com")).await?;
/// let refused = users.execute(&2, SignUp("Ann@example.com")).await;
/// assert!(matches!(refused, Err(ExecuteError::Claimed { key, .. }) if key.scope() == "email"));
///
/// users.execute(&1, Leave).await?;
/// users.execute(&2, SignUp("Ann@example.com")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Claims {
    /// Held by the event's stream from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<ClaimKey>,
    /// No longer held by the event's stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<ClaimKey>,
}

impl Claims {
    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.released.is_empty()
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &ClaimKey> {
        self.released.iter().chain(&self.taken)
    }
}

/// The value of a field with `#[event(claim = "…")]` or `#[event(release = "…")]`: what it displays.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be claimed: it is not displayed",
    label = "not a value that can be claimed",
    note = "a claimed field holds a text, a number, anything with `Display`, or an `Option` of it; implement `std::fmt::Display` for `{Self}`"
)]
pub trait ClaimValue {
    /// The key of this value.
    ///
    /// # Errors
    /// As [`ClaimKey::new`].
    fn claim_key(&self, scope: &str) -> Result<ClaimKey, InvalidClaim>;
}

#[diagnostic::do_not_recommend]
impl<T: Display> ClaimValue for T {
    fn claim_key(&self, scope: &str) -> Result<ClaimKey, InvalidClaim> {
        ClaimKey::new(scope, self.to_string())
    }
}
