//! Leases: which process does what, when several run the same projections.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;

use crate::event_store::StoreError;
use crate::name::{MemberId, ProjectionName};

/// What one member of a projection may do at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Lease {
    /// To write this partition of the live generation.
    Partition(u16),
    /// To fill a new generation.
    Rebuild,
    /// To make another generation the live one: nobody writes the live one meanwhile.
    Swap,
}

impl Lease {
    /// The number by which stores keep it: that of the partition, or a negative one.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Partition(number) => number as i32,
            Self::Rebuild => -1,
            Self::Swap => -2,
        }
    }

    /// The lease with this number.
    #[must_use]
    pub fn of_number(number: i32) -> Option<Self> {
        match number {
            -1 => Some(Self::Rebuild),
            -2 => Some(Self::Swap),
            _ => u16::try_from(number).ok().map(Self::Partition),
        }
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partition(number) => write!(f, "partition {number}"),
            Self::Rebuild => f.write_str("rebuild"),
            Self::Swap => f.write_str("swap"),
        }
    }
}

/// Who takes part in a projection, and who does what, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leases {
    /// The members that have announced themselves and are not overdue.
    pub members: BTreeSet<MemberId>,
    /// The leases that have not run out, and their holders.
    pub held: BTreeMap<Lease, MemberId>,
}

/// Keeps the members and the leases of projections.
///
/// # Contract
/// - A lease has one holder at a time, until it is released or runs out. One that ran out is as if it had been released:
///   only [`acquire`](Self::acquire) gives it back, to whoever comes first.
/// - **Time** is the store's own. A holder counts from a moment before it asked, by a clock of its own that never goes
///   back, and so stops before the store gives the lease to another one. That is a courtesy, not a proof: a process can be
///   paused at any moment. What it does afterwards is refused by the sink, under its
///   [`FencingToken`](crate::FencingToken); the lease decides who draws the next one.
/// - `ttl` (how long a lease or a membership lasts) counts in whole milliseconds, from 1.
/// - An error means that it may or may not have happened, and so does a future that is dropped: repeating it is right.
#[async_trait]
pub trait LeaseStore: Send + Sync + Debug + 'static {
    /// Announces a member for `ttl` from now on, renews all leases that it holds for as long, and tells how things stand
    /// after that.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be reached.
    async fn heartbeat(
        &self,
        projection: &ProjectionName,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<Leases, StoreError>;

    /// Takes a lease for `ttl` from now on, if nobody else holds it; one that the member holds is renewed. `true` when it
    /// is held now. A member need not have announced itself.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be reached.
    async fn acquire(
        &self,
        projection: &ProjectionName,
        lease: Lease,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<bool, StoreError>;

    /// Gives a lease back. One that the member does not hold stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be reached.
    async fn release(&self, projection: &ProjectionName, lease: Lease, member: &MemberId) -> Result<(), StoreError>;

    /// Ends a membership, and gives all leases of the member back.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be reached.
    async fn leave(&self, projection: &ProjectionName, member: &MemberId) -> Result<(), StoreError>;

    /// How things stand. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be reached.
    async fn leases(&self, projection: &ProjectionName) -> Result<Leases, StoreError>;
}

#[async_trait]
impl<S: LeaseStore + ?Sized> LeaseStore for std::sync::Arc<S> {
    async fn heartbeat(
        &self,
        projection: &ProjectionName,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<Leases, StoreError> {
        (**self).heartbeat(projection, member, ttl).await
    }

    async fn acquire(
        &self,
        projection: &ProjectionName,
        lease: Lease,
        member: &MemberId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        (**self).acquire(projection, lease, member, ttl).await
    }

    async fn release(&self, projection: &ProjectionName, lease: Lease, member: &MemberId) -> Result<(), StoreError> {
        (**self).release(projection, lease, member).await
    }

    async fn leave(&self, projection: &ProjectionName, member: &MemberId) -> Result<(), StoreError> {
        (**self).leave(projection, member).await
    }

    async fn leases(&self, projection: &ProjectionName) -> Result<Leases, StoreError> {
        (**self).leases(projection).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_leases_never_change() {
        let numbers =
            [(Lease::Partition(0), 0), (Lease::Partition(1_023), 1_023), (Lease::Rebuild, -1), (Lease::Swap, -2)];
        for (lease, number) in numbers {
            assert_eq!((lease.number(), Lease::of_number(number)), (number, Some(lease)));
        }
        assert_eq!(Lease::of_number(-3), None);
        assert_eq!(Lease::of_number(65_536), None);
    }
}
