//! Documents in Redis, written by one script for each batch together with the checkpoint.

mod connect;
mod connection;
mod document;
mod error;
mod generations;
mod key;
mod partition;
mod read_model;
mod script;

use std::fmt;
use std::sync::Arc;

pub use connect::RedisConnect;
use connection::Connection;
use key::KeyPrefix;

/// Documents in Redis (5 or newer, or Valkey). Clones share one connection, which is made again when it is lost.
///
/// ```no_run
/// # async fn connect() -> Result<(), cqrs_core::ReadModelError> {
/// use cqrs_projections::RedisReadModel;
///
/// let model = RedisReadModel::connect("redis://localhost/").prefix("shop").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Keys
/// For the projection `account-summary`, generation 2, partition 0, and the prefix `shop` (without a prefix, `shop:` is
/// missing):
///
/// | key | type | holds |
/// |-|-|-|
/// | `{shop:account-summary}:generations` | hash | `live` and `highest`, the numbers of generations; `generation:2` (`open` or `dropping`) and `partitions:2` (their number, 1 where it is missing) for each generation; `partition:2:0` (empty) for each partition that was written |
/// | `{shop:account-summary:2:0}:checkpoint` | hash | `token`, `position`, and `checkpoint` as JSON; `dropped` instead, once the generation was dropped |
/// | `{shop:account-summary:2:0}:doc:KEY` | string | `{"position":42,"document":…}`: the document `KEY` and the position that it reflects |
/// | `{shop:account-summary:2:0}:keys` | set | every `KEY` of the partition |
///
/// What stands in braces decides the slot in a Redis Cluster: all keys of a partition lie in one, partitions are spread.
/// A program in any language reads a document so: `HGET {shop:account-summary}:generations live`, `HGET` of `partitions:2`,
/// which never changes, and `GET {shop:account-summary:2:0}:doc:KEY` with the partition that
/// [`Partitions::of`](cqrs_core::Partitions::of) describes.
///
/// # Atomicity
/// A batch is one Lua script. It checks token, checkpoint and the types of all keys first and writes afterwards, so that a
/// refused batch has changed nothing. (Redis refuses the first write of a script when memory is full, when it cannot write
/// its log, or when replicas are missing; once a script has written, it lets it finish.) Documents and checkpoint reach
/// the append-only file and the replicas as one transaction: what is lost in a crash or a failover (up to one second with
/// `appendfsync everysec`) is lost from the checkpoint as well, and is written again from the events.
///
/// A user of Redis with restricted rights needs the commands `evalsha`, `script|load`, `hget`, `hmget`, `hset`, `hdel`, `hkeys`,
/// `hexists`, `hincrby`, `mget`, `mset`, `unlink`, `type`, `sadd`, `srem` and `sscan`.
///
/// # Memory and time
/// A document of 200 bytes takes about 450 bytes with its key and its place in the index. `maxmemory-policy` has to be
/// `noeviction` or `volatile-*`: with `allkeys-*` Redis drops documents when it is full, and connecting fails as
/// [`Mismatch`](cqrs_core::ReadModelError::Mismatch). A dropped generation leaves about 100 bytes for each partition.
///
/// Measured with Redis 7.0 on two busy cores, documents of 200 bytes, one round trip each:
///
/// | documents | 1 | 100 | 1,000 | 10,000 |
/// |-|-|-|-|-|
/// | [`load`](cqrs_core::ReadModel::load) | 0.04 ms | 0.07 ms | 0.5 ms | 12 ms |
/// | [`apply`](cqrs_core::ReadModel::apply), all changed | 0.05 ms | 0.2 ms | 2 ms | 31 ms |
/// | [`apply`](cqrs_core::ReadModel::apply), all new | 0.06 ms | 0.3 ms | 3 ms | 49 ms |
///
/// Redis does nothing else while a script runs, so that all readers wait for a large batch: up to 1,000 documents is a good
/// size. A batch has at most 300,000 documents and 256 MiB; [`Permanent`](cqrs_core::ReadModelError::Permanent) refuses a
/// larger one.
///
/// # Errors
/// A server that is away, starts, fails over, is full or does not answer in time gives
/// [`Transient`](cqrs_core::ReadModelError::Transient); the next call connects again. A key of another type where a
/// document should be gives [`Rejected`](cqrs_core::ReadModelError::Rejected) for that document when it is written, and reads
/// as no document; elsewhere it gives [`Corrupt`](cqrs_core::ReadModelError::Corrupt).
#[derive(Clone)]
pub struct RedisReadModel {
    connection: Arc<Connection>,
    prefix: KeyPrefix,
}

impl RedisReadModel {
    /// Connects to `redis://[user:password@]host[:port][/database]`: `.await` does it, after the options that are wanted.
    ///
    /// # Errors
    /// Awaited, [`Transient`](cqrs_core::ReadModelError::Transient) when the server cannot be reached,
    /// [`Permanent`](cqrs_core::ReadModelError::Permanent) for a bad address, prefix or password,
    /// [`Mismatch`](cqrs_core::ReadModelError::Mismatch) for a server that may drop documents.
    pub fn connect(url: impl Into<String>) -> RedisConnect {
        RedisConnect::new(url.into())
    }
}

/// The address may hold a password.
impl fmt::Debug for RedisReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReadModel").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
