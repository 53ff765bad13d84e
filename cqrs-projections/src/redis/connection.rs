//! One multiplexed connection, to a server or a cluster, made again when it is lost or does not answer.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use cqrs_core::ReadModelError;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    ScriptInvocation, ServerErrorKind, Value,
};
use tokio::sync::Mutex;

use super::error::{decide, ends_connection};

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a request to a cluster is sent again while its slot moves or its node is lost, within the time for an answer.
const RETRIES: u32 = 16;

/// The pause before it is, at first and in the end, in milliseconds.
const RETRY_WAIT: (u64, u64) = (5, 250);

/// A connection that all callers share. Their requests do not wait for one another's answers.
pub(super) struct Connection {
    servers: Servers,
    state: Mutex<State>,
}

/// Where it leads to.
enum Servers {
    One(Box<Client>, AsyncConnectionConfig),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

#[derive(Default)]
struct State {
    /// The connection with its number: a late failure of an older one leaves it alone.
    connection: Option<(u64, Link)>,
    made: u64,
    /// The last attempt to connect, when it failed: who waited for it meanwhile shares its error.
    failed: Option<(Instant, RedisError)>,
}

/// What is sent.
pub(super) enum Request<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

/// How often a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// Its repetition means something else. (Within a cluster it may be repeated nevertheless, when a node was lost: a takeover then
    /// refuses its own token, and a generation may begin that nobody fills.)
    Once,
    /// Once more where the connection turns out to be lost, as it is at the first request after a restart of the server.
    Repeatable,
}

impl Request<'_> {
    async fn send(&self, link: &mut Link) -> Result<Value, RedisError> {
        match link {
            Link::One(connection) => self.send_on(connection).await,
            Link::Cluster(connection) => self.send_on(connection).await,
        }
    }

    async fn send_on(&self, connection: &mut (impl ConnectionLike + Send)) -> Result<Value, RedisError> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Pipeline(pipeline) => pipeline.query_async(connection).await,
            Self::Script(script) => match script.invoke_async(connection).await {
                // Somebody made the server forget it just after it was loaded.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    script.invoke_async(connection).await
                }
                answer => answer,
            },
        }
    }
}

impl Connection {
    /// Connects, so that a wrong address or password is found out at once.
    pub(super) async fn open(url: &str, response_timeout: Duration) -> Result<Self, ReadModelError> {
        let info = url.into_connection_info().map_err(decide)?.set_tcp_settings(tcp());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT.min(response_timeout)))
            .set_response_timeout(Some(response_timeout));
        Self::to(Servers::One(Box::new(Client::open(info).map_err(decide)?), config)).await
    }

    /// The same to the cluster that these servers belong to: all of them, or some.
    pub(super) async fn open_cluster(urls: &[String], response_timeout: Duration) -> Result<Self, ReadModelError> {
        let client = ClusterClient::builder(urls.iter().map(String::as_str))
            .tcp_settings(tcp())
            .connection_timeout(CONNECT_TIMEOUT.min(response_timeout))
            .response_timeout(response_timeout)
            // A slot that moves is waited for.
            .retries(RETRIES)
            .min_retry_wait(RETRY_WAIT.0)
            .max_retry_wait(RETRY_WAIT.1)
            .build();
        Self::to(Servers::Cluster(Box::new(client.map_err(decide)?))).await
    }

    async fn to(servers: Servers) -> Result<Self, ReadModelError> {
        let connection = Self { servers, state: Mutex::new(State::default()) };
        connection.current().await.map_err(decide)?;
        Ok(connection)
    }

    /// What each server says of its memory: of a cluster, of those that take writes.
    pub(super) async fn memory(&self) -> Result<Vec<String>, ReadModelError> {
        let mut info = redis::cmd("INFO");
        info.arg("memory");
        match self.servers {
            Servers::One(..) => self.send(Request::Command(&info)).await.map(|memory| vec![memory]),
            Servers::Cluster(_) => {
                let all: HashMap<String, String> = self.send(Request::Command(&info)).await?;
                Ok(all.into_values().collect())
            }
        }
    }

    /// Sends a request that may be repeated.
    pub(super) async fn send<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, ReadModelError> {
        self.send_times(request, Times::Repeatable).await
    }

    pub(super) async fn send_times<T: FromRedisValue>(
        &self,
        request: Request<'_>,
        times: Times,
    ) -> Result<T, ReadModelError> {
        let lost = |error: &RedisError| error.is_connection_dropped() && !error.is_connection_refusal();
        let answer = match self.attempt(&request).await {
            Err(error) if times == Times::Repeatable && lost(&error) => self.attempt(&request).await,
            answer => answer,
        };
        answer.and_then(convert).map_err(decide)
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<Value, RedisError> {
        let (number, mut connection) = self.current().await?;
        let answer = request.send(&mut connection).await;
        if answer.as_ref().is_err_and(ends_connection) {
            let mut state = self.state.lock().await;
            state.connection.take_if(|(current, _)| *current == number);
        }
        answer
    }

    async fn current(&self) -> Result<(u64, Link), RedisError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok(connection.clone());
        }
        if let Some((at, error)) = &state.failed
            && *at > asked
        {
            return Err(error.clone());
        }
        match self.servers.connect().await {
            Ok(connection) => {
                state.made += 1;
                let connection = (state.made, connection);
                state.connection = Some(connection.clone());
                state.failed = None;
                Ok(connection)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl Servers {
    async fn connect(&self) -> Result<Link, RedisError> {
        match self {
            Self::One(client, config) => {
                client.get_multiplexed_async_connection_with_config(config).await.map(Link::One)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
        }
    }
}

/// The network may lose a connection silently: the kernel finds out without waiting for a request.
fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

/// The address may hold a password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

fn convert<T: FromRedisValue>(value: Value) -> Result<T, RedisError> {
    Ok(T::from_redis_value(value)?)
}
