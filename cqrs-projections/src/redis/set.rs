//! Sets that are derived from documents.

use std::collections::BTreeSet;

use cqrs_core::ReadModelError;
use redis::cmd;

use super::connection::Request;
use super::key::PartitionKeys;
use super::live::Live;

/// How many members are asked for at once: others do not notice.
const SCAN: usize = 1_000;

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

    /// All members. Those that come or go while they are read may be among them or not.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn members(&self) -> Result<BTreeSet<String>, ReadModelError> {
        let all = self.live.partitions(async |keys: PartitionKeys| {
            let (mut members, mut cursor) = (BTreeSet::new(), String::from("0"));
            loop {
                let mut scan = cmd("SSCAN");
                scan.arg(keys.structure(&self.name)).arg(&cursor).arg("COUNT").arg(SCAN);
                let (next, found): (String, Vec<String>) =
                    self.live.model.connection.send(Request::Command(&scan)).await?;
                members.extend(found);
                if next == "0" {
                    return Ok(members);
                }
                cursor = next;
            }
        });
        Ok(all.await?.into_iter().flatten().collect())
    }
}
