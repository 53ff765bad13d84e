//! What a read model is opened with.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Failure, ReadModelError};

use super::RedisReadModel;
use super::connection::Connection;
use super::key::KeyPrefix;

/// The address and the options of a [`RedisReadModel`]; `.await` connects.
#[derive(Clone)]
#[must_use = "nothing is connected before `.await`"]
pub struct RedisConnect {
    servers: Servers,
    prefix: Option<String>,
    response_timeout: Duration,
}

#[derive(Clone)]
pub(super) enum Servers {
    One(String),
    Cluster(Vec<String>),
}

impl RedisConnect {
    pub(super) fn new(servers: Servers) -> Self {
        Self { servers, prefix: None, response_timeout: Duration::from_secs(5) }
    }

    /// What every key starts with, within its hash tag: `shop` makes `{shop:account-summary}:generations`. Read models of
    /// several systems can share one Redis so.
    ///
    /// 1 to 64 ASCII letters, digits, `_`, `-`, `.` or `:`. Another one makes connecting fail. By default there is none.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How long an answer may take before the call fails as [`ReadModelError::Transient`] and the connection is replaced.
    ///
    /// By default 5 s. It has to be longer than the largest batch takes to travel and to be written.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    async fn connect(self) -> Result<RedisReadModel, ReadModelError> {
        let prefix = match &self.prefix {
            None => KeyPrefix::default(),
            Some(prefix) => KeyPrefix::new(prefix).map_err(|error| ReadModelError::Permanent(Failure::new(error)))?,
        };
        let connection = match &self.servers {
            Servers::One(url) => Connection::open(url, self.response_timeout).await?,
            Servers::Cluster(urls) => Connection::open_cluster(urls, self.response_timeout).await?,
        };
        let drops_early = check_eviction(&connection).await?;
        Ok(RedisReadModel { connection: Arc::new(connection), prefix, derive: Vec::new(), drops_early })
    }
}

/// The address may hold a password.
impl std::fmt::Debug for RedisConnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConnect")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}

impl IntoFuture for RedisConnect {
    type Output = Result<RedisReadModel, ReadModelError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

/// A server that drops keys when it is full would lose documents that the checkpoint speaks for. One that drops only what
/// has an end gives its policy.
async fn check_eviction(connection: &Connection) -> Result<Option<Arc<str>>, ReadModelError> {
    let memory = match connection.memory().await {
        // Not everybody may ask.
        Err(ReadModelError::Permanent(_)) => return Ok(None),
        memory => memory?,
    };
    let policies: Vec<&str> = memory.iter().filter_map(|memory| dropping(memory)).collect();
    match policies.iter().find(|policy| policy.starts_with("allkeys-")) {
        Some(policy) => Err(ReadModelError::Mismatch {
            what: format!("Redis may drop documents when it is full: maxmemory-policy is {policy}, not noeviction"),
        }),
        None => Ok(policies.first().copied().map(Arc::from)),
    }
}

/// The policy of `INFO memory` by which keys are dropped, where memory is limited at all.
fn dropping(memory: &str) -> Option<&str> {
    let field = |name: &str| memory.lines().find_map(|line| line.trim_end().strip_prefix(name));
    let limited = field("maxmemory:").is_some_and(|bytes| bytes != "0");
    field("maxmemory_policy:").filter(|policy| limited && *policy != "noeviction")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limited_server_drops_keys_and_only_by_some_policies() {
        for (memory, policy) in [
            ("# Memory\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\n", Some("allkeys-lru")),
            ("maxmemory:100\r\nmaxmemory_policy:volatile-ttl\r\n", Some("volatile-ttl")),
            ("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", None),
            ("maxmemory:100\r\nmaxmemory_policy:noeviction\r\n", None),
            ("", None),
        ] {
            assert_eq!(dropping(memory), policy, "{memory}");
        }
    }

    #[test]
    fn its_debug_form_keeps_the_password() {
        let connect = RedisConnect::new(Servers::One("redis://:secret@localhost/".to_owned()));
        assert!(!format!("{connect:?}").contains("secret"));
    }
}
