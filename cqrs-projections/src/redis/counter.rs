//! Counters that are derived from documents.

use cqrs_core::ReadModelError;
use redis::cmd;

use super::connection::Request;
use super::key::PartitionKeys;
use super::live::Live;

/// A counter that is derived from the documents of a projection, as its live generation has it
/// ([`RedisReadModel::counter`](super::RedisReadModel::counter)).
#[derive(Debug)]
pub struct RedisCounter {
    live: Live,
    name: String,
}

impl RedisCounter {
    pub(super) fn new(live: Live, name: &str) -> Self {
        Self { live, name: format!("counter:{name}") }
    }

    /// The sum of what all documents contribute; 0 when none does, and after its end.
    ///
    /// # Errors
    /// [`ReadModelError`] when it cannot be read.
    pub async fn get(&self) -> Result<i64, ReadModelError> {
        let parts = self.live.partitions(async |keys: PartitionKeys| -> Result<Option<i64>, _> {
            self.live.model.connection.send(Request::Command(cmd("GET").arg(keys.structure(&self.name)))).await
        });
        // At most 1,024 partitions below 2^53 each.
        Ok(parts.await?.into_iter().flatten().sum())
    }
}
