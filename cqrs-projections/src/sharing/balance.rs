//! Who is to write which partition: decided from what everybody sees, without a leader.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::{MemberId, Partitions};

#[cfg(test)]
mod tests;

/// What one member is to do about its share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Decision {
    /// How many more partitions are to be written.
    pub(crate) missing: usize,
    /// Partitions that nobody has, those to be tried first before the others.
    pub(crate) free: Vec<u16>,
    /// Partitions to be given back.
    pub(crate) release: Vec<u16>,
}

/// The share of `me` among `members`, given who holds which partition.
///
/// Shares differ by one at most. The larger ones go to those who hold more already, so that nothing moves that need not:
/// who joins is given its share by those who hold too much, and what somebody leaves behind is all that is shared out.
pub(crate) fn balance(
    me: &MemberId,
    members: &BTreeSet<MemberId>,
    held: &BTreeMap<u16, MemberId>,
    partitions: Partitions,
) -> Decision {
    let holds = |member: &MemberId| held.values().filter(|holder| *holder == member).count();
    let mut ranks: Vec<_> = members.iter().map(|member| (Reverse(holds(member)), member)).collect();
    ranks.sort_unstable();
    let Some(rank) = ranks.iter().position(|(_, member)| *member == me) else {
        return Decision::default();
    };
    let (all, count) = (usize::from(partitions.get()), members.len());
    let share = all / count + usize::from(rank < all % count);
    let mine: Vec<u16> = held.iter().filter(|(_, holder)| *holder == me).map(|(partition, _)| *partition).collect();
    let mut free: Vec<u16> = partitions.all().filter(|partition| !held.contains_key(partition)).collect();
    // Members that look at the same time begin at different places.
    let begin = free.len() * rank / count;
    free.rotate_left(begin);
    Decision { missing: share.saturating_sub(mine.len()), free, release: mine.into_iter().skip(share).collect() }
}
