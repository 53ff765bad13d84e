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
/// The store writes them into the event's [`Metadata`](crate::Metadata). So the log alone says who holds what, and keys go
/// where events are exported to.
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
