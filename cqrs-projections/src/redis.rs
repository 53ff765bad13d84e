//! Documents in Redis, written by one script for each batch together with the checkpoint.

mod cache_aside;
mod connect;
mod connection;
mod counter;
mod derived;
mod document;
mod error;
mod generations;
mod hash;
mod key;
mod leaderboard;
mod list;
mod live;
mod partition;
mod read_model;
mod script;
mod set;

use std::fmt;
use std::sync::Arc;

pub use cache_aside::{CacheAside, CacheInvalidation, CacheSource, Loaded, Touches};
pub use connect::RedisConnect;
use connect::Servers;
use connection::Connection;
pub use counter::RedisCounter;
use cqrs_core::{InvalidName, ProjectionName};
use derived::{Derive, deriving, rule};
pub use derived::{RedisContribution, RedisDerived};
pub use hash::RedisHashes;
use key::KeyPrefix;
pub use leaderboard::{RedisLeaderboard, Scored};
use live::Live;
use serde::de::DeserializeOwned;
pub use set::RedisSet;

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
/// | `{shop:account-summary}:generations` | hash | `live` and `highest`, the numbers of generations; `generation:2` (`open` or `dropping`) and `partitions:2` (their number, 1 where it is missing) for each generation, `note:2` for one that has a note; `partition:2:0` (empty) for each partition that was written |
/// | `{shop:account-summary:2:0}:checkpoint` | hash | `token`, `position`, and `checkpoint` as JSON; `derives` once something was derived; `dropped` instead, once the generation was dropped |
/// | `{shop:account-summary:2:0}:doc:KEY` | string | `{"position":42,"document":…}`: the document `KEY` and the position that it reflects |
/// | `{shop:account-summary:2:0}:keys` | set | every `KEY` of the partition |
///
/// and where something is [derived](Self::derive) from the documents:
///
/// | key | type | holds |
/// |-|-|-|
/// | `{shop:account-summary:2:0}:hash:KEY` | hash | the fields of the document `KEY` |
/// | `{shop:account-summary:2:0}:set:NAME` | set | the members of the set `NAME` that documents of this partition name |
/// | `{shop:account-summary:2:0}:leaderboard:NAME` | sorted set | the same of a leaderboard, by score |
/// | `{shop:account-summary:2:0}:counter:NAME` | string | the partition's part of a counter; none when it is 0 |
/// | `{shop:account-summary:2:0}:shared:set:NAME` (or `leaderboard:NAME`) | hash | for members that are named more than once, how often or by which scores |
/// | `{shop:account-summary:2:0}:derived` | hash | what each document contributes |
/// | `{shop:account-summary:2:0}:structures` | sorted set | `set:NAME`, `leaderboard:NAME` and `counter:NAME` of all that exist, by the moment when they end, in milliseconds |
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
/// `appendfsync everysec`) is lost from the checkpoint as well, and is written again from the events, when the partition is
/// written the next time or its projection starts.
///
/// Servers to be run so: `appendonly yes`, `appendfsync everysec` or `always`, `maxmemory-policy noeviction`, and **`aof-load-truncated
/// no`**. With its default, `yes`, a server that starts on a log which a crash has cut within a transaction leaves the transaction's beginning
/// in the log, and executes it at the start after that (Redis 7.0 does, and Valkey did until the summer of 2026): documents or members may
/// come back that nothing removes. With `no` it refuses to start until `redis-check-aof --fix` was run. Where a server has logged a short
/// read, `BGREWRITEAOF` right after its start does the same; a [rebuild](crate::Running::rebuild) mends what came of it.
///
/// A user of Redis with restricted rights needs the commands `evalsha`, `script|load`, `hget`, `hmget`, `hset`, `hdel`, `hkeys`,
/// `hexists`, `hincrby`, `mget`, `mset`, `unlink`, `type`, `sadd`, `srem` and `sscan`; for what is derived also `time`, `get`,
/// `set`, `hgetall`, `hlen`, `sismember`, `smembers`, `scard`, `zadd`, `zrem`, `zscan`, `zcard`, `zcount`, `zscore`, `zrangebyscore`, `zrevrangebyscore`,
/// `pexpireat` and `persist`.
///
/// # What ends
/// Documents never expire: one that Redis dropped would be folded from nothing by the next event, and be wrong without a
/// word. Their life ends where the projector removes them. What is derived may end at a moment
/// ([`RedisContribution::until`]), for readers of Redis only: folding knows nothing of it.
///
/// # Cluster
/// What a batch touches lies in one slot, because of its hash tag, so that a batch is one script on one node; partitions, and the registry
/// of each projection, are spread over the nodes ([`Projector::partitions`](crate::Projector::partitions) says over how many slots). No
/// command goes over two slots. Reads and writes go to the masters.
///
/// A slot may move while it is written and read. Meanwhile a batch with new documents, or with contributions, is held up: Redis
/// runs no script on keys of which one is missing. It is refused as a whole, tried again for as long as an answer may take, and is then
/// [`Transient`](cqrs_core::ReadModelError::Transient), as it is while a node is away. After a failover, what the new master had not received
/// is missing from the checkpoint as well, and is written again. The server's `cluster-require-full-coverage` may be on or off.
///
/// # Memory and time
/// A document of 200 bytes takes about 450 bytes with its key and its place in the index. `maxmemory-policy` has to be
/// `noeviction` or `volatile-*`: with `allkeys-*` Redis drops documents when it is full, and connecting fails as
/// [`Mismatch`](cqrs_core::ReadModelError::Mismatch); with `volatile-*` writing something that ends fails so, because Redis may
/// drop it earlier. (Both only where `maxmemory` is set, and as far as the user may ask for `INFO`.) A dropped generation leaves about 100 bytes for each partition.
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
/// size. What is [derived](Self::derive) costs 15 to 40 µs more for each contribution that changes, so that batches of documents with
/// several are better smaller. A batch has at most 200,000 documents and 256 MiB; [`Permanent`](cqrs_core::ReadModelError::Permanent) refuses a
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
    derive: Vec<Derive>,
    /// The policy by which the server may drop what has an end before it, if it does.
    drops_early: Option<Arc<str>>,
}

impl RedisReadModel {
    /// Connects to `redis://[user:password@]host[:port][/database]`: `.await` does it, after the options that are wanted.
    ///
    /// # Errors
    /// Awaited, [`Transient`](cqrs_core::ReadModelError::Transient) when the server cannot be reached,
    /// [`Permanent`](cqrs_core::ReadModelError::Permanent) for a bad address, prefix or password,
    /// [`Mismatch`](cqrs_core::ReadModelError::Mismatch) for a server that may drop documents.
    pub fn connect(url: impl Into<String>) -> RedisConnect {
        RedisConnect::new(Servers::One(url.into()))
    }

    /// The same to a Redis Cluster, by the addresses of some or all of its nodes; the others are found out. See
    /// [Cluster](Self#cluster).
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> RedisConnect {
        RedisConnect::new(Servers::Cluster(urls.into_iter().map(Into::into).collect()))
    }

    /// Also writes what `derive` makes of each document: sets, leaderboards, counters, a hash of its fields
    /// ([`RedisDerived`]). It is given the key and the document, and is pure: the same document gives the same. A clone of
    /// the read model without it, or with another one, serves other projections on the same connection. Called again, both
    /// are derived.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// use cqrs_projections::RedisReadModel;
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Progress { course: String, student: String, points: i64, active: bool }
    ///
    /// let redis = RedisReadModel::connect("redis://localhost/").await?;
    /// let model = redis.clone().derive(|_key, progress: &Progress, to| {
    ///     to.leaderboard("top-students", &progress.student, progress.points as f64);
    ///     if progress.active {
    ///         to.set(format!("course:{}:active_users", progress.course), &progress.student);
    ///     }
    ///     to.counter("points", progress.points);
    ///     to.hash(progress);
    /// });
    /// // Projections::new(store).add("progress", ProgressOfStudents, model) …
    ///
    /// let top = redis.leaderboard("progress", "top-students")?.top(10).await?;
    /// # let _ = (top, model);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The script that writes a document compares what it contributed with what it contributes now, and changes the
    /// structures by the difference, in one with document and checkpoint: a batch that is repeated or refused changes nothing, a removed document
    /// contributes nothing, and each generation has structures of its own. A function that was changed shows in documents
    /// that are written from then on: [rebuild](crate::Running::rebuild) for all of them.
    #[must_use]
    pub fn derive<D: DeserializeOwned + 'static>(
        mut self,
        derive: impl Fn(&str, &D, &mut RedisDerived) + Send + Sync + 'static,
    ) -> Self {
        self.derive.push(deriving(derive));
        self
    }

    /// The set `name` of a projection, for reading.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection or set can have this name.
    pub fn set(&self, projection: &str, name: &str) -> Result<RedisSet, InvalidName> {
        Ok(RedisSet::new(self.follow(projection)?, named("set", name)?))
    }

    /// The leaderboard `name` of a projection, for reading.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection or leaderboard can have this name.
    pub fn leaderboard(&self, projection: &str, name: &str) -> Result<RedisLeaderboard, InvalidName> {
        Ok(RedisLeaderboard::new(self.follow(projection)?, named("leaderboard", name)?))
    }

    /// The counter `name` of a projection, for reading.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection or counter can have this name.
    pub fn counter(&self, projection: &str, name: &str) -> Result<RedisCounter, InvalidName> {
        Ok(RedisCounter::new(self.follow(projection)?, named("counter", name)?))
    }

    /// The hashes of a projection's documents, for reading.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection can have this name.
    pub fn hashes(&self, projection: &str) -> Result<RedisHashes, InvalidName> {
        Ok(RedisHashes::new(self.follow(projection)?))
    }

    fn follow(&self, projection: &str) -> Result<Live, InvalidName> {
        Ok(Live::new(self.clone(), ProjectionName::new(projection)?))
    }
}

fn named<'a>(kind: &'static str, name: &'a str) -> Result<&'a str, InvalidName> {
    match rule(name) {
        Some(reason) => Err(InvalidName { kind, value: name.chars().take(80).collect(), reason }),
        None => Ok(name),
    }
}

/// The address may hold a password.
impl fmt::Debug for RedisReadModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReadModel").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
