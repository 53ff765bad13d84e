//! One multiplexed connection, made again when it is lost or does not answer.

use std::fmt;
use std::time::{Duration, Instant};

use cqrs_core::ReadModelError;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    ScriptInvocation, ServerErrorKind, Value,
};
use tokio::sync::Mutex;

use super::error::{decide, ends_connection};

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection that all callers share. Their requests do not wait for one another's answers.
pub(super) struct Connection {
    client: Client,
    config: AsyncConnectionConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The connection with its number: a late failure of an older one leaves it alone.
    connection: Option<(u64, MultiplexedConnection)>,
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
    /// Its repetition means something else.
    Once,
    /// Once more where the connection turns out to be lost, as it is at the first request after a restart of the server.
    Repeatable,
}

impl Request<'_> {
    async fn send(&self, connection: &mut MultiplexedConnection) -> Result<Value, RedisError> {
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
        let info = url.into_connection_info().map_err(decide)?;
        // The network may lose a connection silently: the kernel finds out without waiting for a request.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true).set_keepalive(keepalive));
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT.min(response_timeout)))
            .set_response_timeout(Some(response_timeout));
        let connection =
            Self { client: Client::open(info).map_err(decide)?, config, state: Mutex::new(State::default()) };
        connection.current().await.map_err(decide)?;
        Ok(connection)
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

    async fn current(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
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
        match self.client.get_multiplexed_async_connection_with_config(&self.config).await {
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

/// The address may hold a password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

fn convert<T: FromRedisValue>(value: Value) -> Result<T, RedisError> {
    Ok(T::from_redis_value(value)?)
}
