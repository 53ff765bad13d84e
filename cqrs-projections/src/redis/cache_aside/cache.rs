//! The cache without the type of its documents.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cqrs_core::{Failure, GlobalPosition, Payload, ReadModelError};
use redis::{FromRedisValue, ScriptInvocation, cmd};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::entry;
use super::flights::Flights;
use super::key::{CacheKey, CacheKeys};
use super::source::{CacheSource, Loaded};
use crate::redis::RedisReadModel;
use crate::redis::connection::{Connection, Request};
use crate::redis::script::{FILL, INVALIDATE, LEASE};

/// How long Redis is left alone after a failure.
const REST: Duration = Duration::from_secs(1);

/// How often it is looked whether another process has loaded: at first, and in the end.
const LOOK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) ttl: Duration,
    pub(super) missing: Option<Duration>,
    pub(super) lease: Duration,
    pub(super) patience: Duration,
    pub(super) timeout: Duration,
    pub(super) strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3_600),
            missing: None,
            lease: Duration::from_secs(5),
            patience: Duration::from_secs(1),
            timeout: Duration::from_millis(250),
            strict: false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Cache {
    connection: Arc<Connection>,
    keys: CacheKeys,
    source: Arc<dyn CacheSource>,
    flights: Flights<Landed>,
    /// Until when Redis is left alone.
    rests: Mutex<Option<Instant>>,
    pub(super) options: Options,
}

/// What came of a loading.
#[derive(Debug, Clone)]
struct Landed {
    document: Result<Option<Payload>, ReadModelError>,
    /// When the source was asked.
    asked: Instant,
    /// Whether Redis confirmed that nothing was invalidated meanwhile.
    confirmed: bool,
}

/// The right to fill a value.
enum Lease {
    Hit(Option<Payload>),
    Granted(String),
    /// Nobody knows, or another one has it for too long.
    None,
}

impl Cache {
    pub(super) fn new(redis: &RedisReadModel, name: &str, source: Arc<dyn CacheSource>) -> Self {
        Self {
            connection: Arc::clone(&redis.connection),
            keys: CacheKeys::new(&redis.prefix, name),
            source,
            flights: Flights::default(),
            rests: Mutex::default(),
            options: Options::default(),
        }
    }

    pub(super) fn with(&self, options: Options) -> Self {
        Self {
            connection: Arc::clone(&self.connection),
            keys: self.keys.clone(),
            source: Arc::clone(&self.source),
            flights: Flights::default(),
            rests: Mutex::default(),
            options,
        }
    }

    /// What is cached.
    pub(super) async fn cached(&self, key: &str) -> Result<Option<Option<Payload>>, ReadModelError> {
        let get = self.ask::<Option<Vec<u8>>>(Request::Command(cmd("GET").arg(self.keys.of(key).value))).await?;
        Ok(get.flatten().and_then(entry::decode))
    }

    pub(super) async fn forget(&self, key: &str) -> Result<(), ReadModelError> {
        let CacheKey { value, lease, .. } = self.keys.of(key);
        self.ask::<u64>(Request::Command(cmd("DEL").arg(value).arg(lease))).await.map(drop)
    }

    /// Loads a document that is not cached, once for all who ask for it at the same time.
    pub(super) async fn load(&self, key: &str) -> Result<Option<Payload>, ReadModelError> {
        let called = Instant::now();
        loop {
            let (landed, loaded_here) = self.flights.join(key).land(|| self.fill(key)).await;
            // What was asked for before this call may have been invalidated before it.
            if loaded_here || landed.confirmed || landed.asked > called {
                return landed.document;
            }
        }
    }

    async fn fill(&self, key: &str) -> Landed {
        let keys = self.keys.of(key);
        let lease = match self.lease(&keys).await {
            Ok(lease) => lease,
            Err(error) => return Landed { document: Err(error), asked: Instant::now(), confirmed: true },
        };
        let asked = Instant::now();
        let token = match lease {
            Lease::Hit(document) => return Landed { document: Ok(document), asked, confirmed: true },
            Lease::Granted(token) => Some(token),
            Lease::None => None,
        };
        let loaded = self.source.load(key).await;
        let stored = match token {
            Some(token) => self.store(&keys, &token, loaded.as_ref().ok()).await,
            None => Ok(false),
        };
        let document = stored.and_then(|confirmed| Ok((loaded?.document, confirmed)));
        match document {
            Ok((document, confirmed)) => Landed { document: Ok(document), asked, confirmed },
            Err(error) => Landed { document: Err(error), asked, confirmed: true },
        }
    }

    async fn lease(&self, keys: &CacheKey) -> Result<Lease, ReadModelError> {
        let token = Uuid::now_v7().to_string();
        let give_up = Instant::now() + self.options.patience;
        let mut pause = LOOK.0;
        loop {
            let mut script = LEASE.key(&keys.value);
            script.key(&keys.lease).arg(&token).arg(millis(self.options.lease));
            let Some((word, value)) = self.run::<(String, Vec<u8>)>(&script).await? else {
                return Ok(Lease::None);
            };
            match word.as_str() {
                "granted" => return Ok(Lease::Granted(token)),
                // What no cache wrote is left alone.
                "hit" => return Ok(entry::decode(value).map_or(Lease::None, Lease::Hit)),
                _ if Instant::now() >= give_up => return Ok(Lease::None),
                _ => sleep(pause).await,
            }
            pause = (pause * 2).min(LOOK.1);
        }
    }

    /// Stores what was loaded, or gives the lease back. Whether nothing was invalidated since the lease was taken.
    async fn store(&self, keys: &CacheKey, token: &str, loaded: Option<&Loaded>) -> Result<bool, ReadModelError> {
        let kept = loaded.and_then(|loaded| match loaded.document {
            Some(_) => Some((entry::encode(loaded), self.options.ttl)),
            None => self.options.missing.map(|ttl| (entry::encode(loaded), ttl)),
        });
        let (value, ttl) = kept.unwrap_or((Vec::new(), self.options.ttl));
        let position = loaded.and_then(|loaded| loaded.position).map(|position| position.to_string());
        let mut script = FILL.key(&keys.value);
        script.key(&keys.lease).key(&keys.floor);
        script.arg(token).arg(value).arg(millis(ttl)).arg(position.unwrap_or_default());
        Ok(self.run::<String>(&script).await?.is_some_and(|word| word == "ok"))
    }

    /// Forgets a value; one that does not reflect `position` is not stored any more.
    pub(super) async fn invalidate(&self, key: &str, position: Option<GlobalPosition>) -> Result<(), ReadModelError> {
        let keys = self.keys.of(key);
        let mut script = INVALIDATE.key(&keys.value);
        script.key(&keys.lease).key(&keys.floor);
        script.arg(position.map(|position| position.to_string()).unwrap_or_default()).arg(millis(self.options.ttl));
        self.connection.send::<String>(Request::Script(&script)).await.map(drop)
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<Option<T>, ReadModelError> {
        self.ask(Request::Script(script)).await
    }

    /// What Redis answers in time; nothing when it does not, unless that is an error.
    async fn ask<T: FromRedisValue>(&self, request: Request<'_>) -> Result<Option<T>, ReadModelError> {
        if !self.options.strict && self.rests().is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        let answer = timeout(self.options.timeout, self.connection.send(request)).await;
        let error = match answer {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(error)) => error,
            Err(_) => ReadModelError::Transient(Failure::new("the cache did not answer in time")),
        };
        if self.options.strict {
            return Err(error);
        }
        tracing::warn!(cache = ?self.keys, %error, "the cache failed, its source is asked");
        if error.is_transient() {
            *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
        }
        Ok(None)
    }

    fn rests(&self) -> Option<Instant> {
        *self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64 / 2)
}
