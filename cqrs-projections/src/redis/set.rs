//! Sets that are derived from documents.

use std::collections::BTreeSet;

use cqrs_core::ReadModelError;
use redis::cmd;

use super::connection::Request;
use super::key::PartitionKeys;
use super::live::Live;

/// A set that is derived from the documents of a projection, as its live generation has it
/// ([`RedisReadModel::set`](super::RedisReadModel::set)).
///
/// Each partition has a set of its own: what is read is their union.
#[derive(Debug)]
pub struct RedisSet {
    live: Live,
    name: String,
}

impl RedisSet {
    pub(super) fn new(live: Live, name: &str) -> Self {
        Self { live, name: format!("set:{name}") }
    }

    /// Whether it has this member.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn contains(&self, member: &str) -> Result<bool, ReadModelError> {
        let found = self.live.partitions(async |keys: PartitionKeys| -> Result<bool, _> {
            let mut is_member = cmd("SISMEMBER");
            is_member.arg(keys.structure(&self.name)).arg(member);
            self.live.model.connection.send(Request::Command(&is_member)).await
        });
        Ok(found.await?.contains(&true))
    }

    /// How many members it has, each counted once. Over several partitions all members are read for it: count with a
    /// [counter](super::RedisDerived::counter) where there are many.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn len(&self) -> Result<u64, ReadModelError> {
        let sizes = self.live.partitions(async |keys: PartitionKeys| -> Result<u64, _> {
            self.live.model.connection.send(Request::Command(cmd("SCARD").arg(keys.structure(&self.name)))).await
        });
        let mut sizes = sizes.await?;
        sizes.retain(|size| *size > 0);
        match sizes[..] {
            [] => Ok(0),
            [size] => Ok(size),
            _ => Ok(self.members().await?.len() as u64),
        }
    }

    /// Whether it has no member.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn is_empty(&self) -> Result<bool, ReadModelError> {
        Ok(self.len().await? == 0)
    }

    /// All members. Redis does nothing else while it collects them: about 80 ms for 100,000.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn members(&self) -> Result<BTreeSet<String>, ReadModelError> {
        // Not by `SSCAN`: its cursor means nothing to the node that the slot moves to meanwhile, and members would be left out.
        let all = self.live.partitions(async |keys: PartitionKeys| -> Result<Vec<String>, _> {
            self.live.model.connection.send(Request::Command(cmd("SMEMBERS").arg(keys.structure(&self.name)))).await
        });
        Ok(all.await?.into_iter().flatten().collect())
    }
}
