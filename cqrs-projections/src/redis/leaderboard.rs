//! Leaderboards that are derived from documents.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ops::{Bound, RangeBounds};

use cqrs_core::ReadModelError;
use redis::{Cmd, cmd};

use super::connection::Request;
use super::key::PartitionKeys;
use super::live::Live;

/// A leaderboard that is derived from the documents of a projection, as its live generation has it
/// ([`RedisReadModel::leaderboard`](super::RedisReadModel::leaderboard)).
///
/// The highest score comes first; members of the same score come in falling order of their bytes, as in Redis. Each
/// partition has a leaderboard of its own: what is read is all of them together, a member with its highest score.
#[derive(Debug)]
pub struct RedisLeaderboard {
    live: Live,
    name: String,
}

/// A member of a leaderboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The member.
    pub member: String,
    /// Its score.
    pub score: f64,
}

impl RedisLeaderboard {
    pub(super) fn new(live: Live, name: &str) -> Self {
        Self { live, name: format!("leaderboard:{name}") }
    }

    /// The first `count` members.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn top(&self, count: usize) -> Result<Vec<Scored>, ReadModelError> {
        self.range(.., count).await
    }

    /// The first `count` members whose scores are in a range, `100.0..` say.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn range(&self, scores: impl RangeBounds<f64>, count: usize) -> Result<Vec<Scored>, ReadModelError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (lowest, highest) = (bound(scores.start_bound(), "-inf"), bound(scores.end_bound(), "+inf"));
        let parts = self.live.partitions(async |keys: PartitionKeys| -> Result<Vec<(String, f64)>, _> {
            let mut range = cmd("ZREVRANGEBYSCORE");
            range.arg(keys.structure(&self.name)).arg(&highest).arg(&lowest);
            range.arg("WITHSCORES").arg("LIMIT").arg(0).arg(count);
            self.send(&range).await
        });
        Ok(merge(parts.await?, count))
    }

    /// The rank of a member, from 1: one more than there are members with a higher score, so that the same score gives the
    /// same rank. `None` when it is not there.
    ///
    /// A member that documents of several partitions name counts for each of them before those that come after it.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn rank(&self, member: &str) -> Result<Option<u64>, ReadModelError> {
        let Some(score) = self.score(member).await? else {
            return Ok(None);
        };
        let higher = self.live.partitions(async |keys: PartitionKeys| -> Result<u64, _> {
            self.send(cmd("ZCOUNT").arg(keys.structure(&self.name)).arg(format!("({score:?}")).arg("+inf")).await
        });
        Ok(Some(higher.await?.into_iter().sum::<u64>() + 1))
    }

    /// The score of a member. `None` when it is not there.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn score(&self, member: &str) -> Result<Option<f64>, ReadModelError> {
        let scores = self.live.partitions(async |keys: PartitionKeys| -> Result<Option<f64>, _> {
            self.send(cmd("ZSCORE").arg(keys.structure(&self.name)).arg(member)).await
        });
        Ok(scores.await?.into_iter().flatten().max_by(f64::total_cmp))
    }

    async fn send<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, ReadModelError> {
        self.live.model.connection.send(Request::Command(command)).await
    }
}

fn bound(bound: Bound<&f64>, unbounded: &str) -> String {
    match bound {
        Bound::Included(score) => format!("{score:?}"),
        Bound::Excluded(score) => format!("({score:?}"),
        Bound::Unbounded => unbounded.to_owned(),
    }
}

/// The first of all, from the first of each: whoever is among the first of all is so in the partition of its highest score.
fn merge(parts: Vec<Vec<(String, f64)>>, count: usize) -> Vec<Scored> {
    let mut all: Vec<Scored> = parts.into_iter().flatten().map(|(member, score)| Scored { member, score }).collect();
    all.sort_by(falling);
    let mut seen = HashSet::new();
    all.retain(|scored| seen.insert(scored.member.clone()));
    all.truncate(count);
    all
}

fn falling(one: &Scored, other: &Scored) -> Ordering {
    other.score.total_cmp(&one.score).then_with(|| other.member.cmp(&one.member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_merged_by_the_highest_score_of_each_member() {
        let part =
            |members: &[(&str, f64)]| members.iter().map(|(member, score)| ((*member).to_owned(), *score)).collect();
        let merged = merge(
            vec![part(&[("ann", 9.0), ("dan", 5.0), ("bob", 1.0)]), part(&[("bob", 7.0), ("ann", 5.0), ("cid", 5.0)])],
            4,
        );
        let merged: Vec<_> = merged.iter().map(|scored| (scored.member.as_str(), scored.score)).collect();
        assert_eq!(merged, [("ann", 9.0), ("bob", 7.0), ("dan", 5.0), ("cid", 5.0)]);
    }
}
