//! Hashes of documents.

use std::collections::BTreeMap;

use cqrs_core::ReadModelError;
use redis::cmd;

use super::connection::Request;
use super::key::PartitionKeys;
use super::live::Live;

/// The hashes of the documents of a projection, as its live generation has them
/// ([`RedisReadModel::hashes`](super::RedisReadModel::hashes)).
#[derive(Debug)]
pub struct RedisHashes {
    live: Live,
}

impl RedisHashes {
    pub(super) const fn new(live: Live) -> Self {
        Self { live }
    }

    /// All fields of the document with this key; `None` when it has no hash.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn get(&self, key: &str) -> Result<Option<BTreeMap<String, String>>, ReadModelError> {
        let fields = self.live.partition_of(key, async |keys: PartitionKeys| -> Result<BTreeMap<_, _>, _> {
            self.live.model.connection.send(Request::Command(cmd("HGETALL").arg(keys.hash(key)))).await
        });
        Ok(fields.await?.filter(|fields| !fields.is_empty()))
    }

    /// One field of the document with this key.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn field(&self, key: &str, field: &str) -> Result<Option<String>, ReadModelError> {
        let found = self.live.partition_of(key, async |keys: PartitionKeys| -> Result<Option<String>, _> {
            self.live.model.connection.send(Request::Command(cmd("HGET").arg(keys.hash(key)).arg(field))).await
        });
        Ok(found.await?.flatten())
    }
}
