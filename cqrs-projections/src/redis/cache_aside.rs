//! Cache-aside: documents of another read model, kept in Redis for a while.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{InvalidName, Payload, ReadModelError};
use serde::de::DeserializeOwned;

mod cache;
mod entry;
mod flights;
mod invalidation;
mod key;
mod source;

use cache::{Cache, Options};
pub use invalidation::{CacheInvalidation, Touches};
pub use source::{CacheSource, Loaded};

use super::RedisReadModel;
use super::key::KeyPrefix;

/// Documents of another read model or any other [source](CacheSource), kept in Redis for a while: read from there first, and
/// from the source when they are not there.
///
/// ```no_run
/// # use serde::{Deserialize, Serialize};
/// # use cqrs_core::{Documents, ReadModel};
/// # use cqrs_core::in_memory::InMemoryReadModel;
/// # use std::time::Duration;
/// use cqrs_projections::{CacheAside, RedisReadModel};
/// # #[derive(Serialize, Deserialize)]
/// # struct Course { title: String }
/// # async fn example(elastic: InMemoryReadModel) -> Result<(), Box<dyn std::error::Error>> {
///
/// let redis = RedisReadModel::connect("redis://localhost/").await?;
/// let search = Documents::<Course>::new(elastic, "course-search")?;
/// let courses = CacheAside::<Course>::new(&redis, "course", search)?.ttl(Duration::from_secs(3_600));
///
/// let course = courses.get("42").await?; // the Redis key `course:42`
/// # let _ = course;
/// # Ok(())
/// # }
/// ```
///
/// # Invalidation
/// [`invalidation`](Self::invalidation) is the read model of a projection beside the one that is cached, with a checkpoint of its own:
///
/// ```text
/// Projections::new(store)
///     .add("course-search", Catalogue, elastic)
///     .add("course-cache", Touches(Catalogue), courses.invalidation())   // or add_join
/// ```
///
/// An event that touches a document forgets what is cached, and leaves its position behind: from then on a document is
/// cached only when it reflects that position. So it does not matter which of the two projections comes first, nor when a
/// document was loaded that is stored now: a stale one is never cached. (A source that does not know positions has nothing cached of
/// such a document until the TTL is over, and neither has one that forgets removals, of a document that was removed.) While Redis is away the projection waits and goes on
/// where it stopped; what is cached meanwhile is stale until then, and no longer than the TTL. `wait_for` the projection of the
/// cache and the one that is cached to read your own writes.
///
/// [`invalidate`](Self::invalidate) does the same by hand, without a position: what is being loaded at that moment is not cached.
/// Call it after the source has changed.
///
/// # Stampedes
/// In a process, whoever asks for a key that is being loaded gets what the one before it loads, unless that was
/// invalidated meanwhile. Among processes the first takes a [lease](Self::lease) in Redis; the others wait for what it stores, for up to
/// [`patience`](Self::patience), and then load by themselves.
///
/// # Errors
/// Those of the source. Redis is only a cache: when it is away, slow or full, documents come from the source, and a
/// warning is traced; after a failure it is left alone for a second. With [`strict`](Self::strict) its errors are returned instead.
///
/// # Keys
/// `NAME:KEY`, after the prefix of the read model (`shop:course:42`), with `%`, `{` and `}` of the document's key as `%25`, `%7B` and
/// `%7D`. It holds `{"position":42,"document":…}` as in a [`RedisReadModel`], or `{"position":0,"missing":true}`. Beside it, in the same
/// slot of a cluster, lie `{NAME:KEY}:lease` while it is loaded, and `{NAME:KEY}:floor`, the position that a document has to reflect, until
/// one is cached and no longer than the TTL: about 150 bytes for each document that was touched and not read since. All of them expire. When documents change their shape, give the cache another name.
///
/// A user of Redis with restricted rights needs the commands `evalsha`, `script|load`, `get`, `set` and `del`.
pub struct CacheAside<D> {
    cache: Arc<Cache>,
    redis: RedisReadModel,
    document: PhantomData<fn() -> D>,
}

impl<D: DeserializeOwned> CacheAside<D> {
    /// A cache with this name, over the connection of a read model.
    ///
    /// # Errors
    /// [`InvalidName`] when the name has anything but 1 to 64 ASCII letters, digits, `_`, `-`, `.` or `:`.
    pub fn new(redis: &RedisReadModel, name: &str, source: impl CacheSource) -> Result<Self, InvalidName> {
        KeyPrefix::new(name)?;
        let cache = Arc::new(Cache::new(redis, name, Arc::new(source)));
        Ok(Self { cache, redis: redis.clone(), document: PhantomData })
    }

    /// How long a document is kept: 3,600 s unless told, at least 1 ms. A read model that lags by more than that may have a stale
    /// document cached once more.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|options| options.ttl = ttl)
    }

    /// Keeps for so long that there is no document. Unless told, that is not kept.
    #[must_use]
    pub fn remember_missing(self, ttl: Duration) -> Self {
        self.with(|options| options.missing = Some(ttl))
    }

    /// How long a process may load before another one may: 5 s unless told. What it stores later is refused.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        self.with(|options| options.lease = lease)
    }

    /// How long to wait for what another process loads, before loading as well: 1 s unless told.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.with(|options| options.patience = patience)
    }

    /// How long Redis may take to answer a reader before the source is asked: 250 ms unless told.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = timeout)
    }

    /// Returns errors of Redis, instead of asking the source.
    #[must_use]
    pub fn strict(self) -> Self {
        self.with(|options| options.strict = true)
    }

    /// The document with this key; `None` when there is none. It is at least as fresh as the source when this is called, as far as
    /// invalidations have arrived.
    ///
    /// # Errors
    /// Those of the source, [`ReadModelError::Corrupt`] when what it gives is not a `D`; with [`strict`](Self::strict) those of Redis.
    pub async fn get(&self, key: &str) -> Result<Option<D>, ReadModelError> {
        if let Some(cached) = self.cache.cached(key).await? {
            match decode(cached) {
                Ok(document) => return Ok(document),
                // It has another shape than it had: it is loaded again.
                Err(_) => self.cache.forget(key).await?,
            }
        }
        decode(self.cache.load(key).await?)
            .map_err(|error| ReadModelError::Corrupt { what: format!("document {key:?} behind the cache: {error}") })
    }

    /// Forgets documents. See [Invalidation](Self#invalidation).
    ///
    /// # Errors
    /// [`ReadModelError`] when Redis did not do it; then they stay for no longer than the TTL.
    pub async fn invalidate(&self, keys: &[String]) -> Result<(), ReadModelError> {
        for key in keys {
            self.cache.invalidate(key, None).await?;
        }
        Ok(())
    }

    /// The read model of a projection that invalidates this cache. See [Invalidation](Self#invalidation).
    #[must_use]
    pub fn invalidation(&self) -> CacheInvalidation {
        CacheInvalidation::new(Arc::clone(&self.cache), self.redis.clone())
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = self.cache.options.clone();
        change(&mut options);
        self.cache = Arc::new(self.cache.with(options));
        self
    }
}

fn decode<D: DeserializeOwned>(document: Option<Payload>) -> Result<Option<D>, cqrs_core::CodecError> {
    document.map(|document| document.decode()).transpose()
}

/// Clones share what is being loaded.
impl<D> Clone for CacheAside<D> {
    fn clone(&self) -> Self {
        Self { cache: Arc::clone(&self.cache), redis: self.redis.clone(), document: PhantomData }
    }
}

impl<D> fmt::Debug for CacheAside<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheAside").field("cache", &self.cache).finish_non_exhaustive()
    }
}
