//! Sessions for everything but appending: each call takes one and gives it back when the last answer was read.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow};
use sqlx::{Connection, PgConnection, PgPool, Postgres};

use crate::settings::Settings;
use crate::statements::PgQuery;

/// How long a session may have idled and still be used without asking the server first.
const FRESH: Duration = Duration::from_secs(1);

/// The pool, and what keeps a dead network from emptying it: no call waits longer than its timeout, and a session that was
/// left in the middle of an answer is closed.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    pool: PgPool,
    settings: Settings,
    timeout: Duration,
}

impl Sessions {
    /// At least one session is opened at once, so that a wrong address is told.
    pub async fn connect(
        to: &PgConnectOptions,
        settings: Settings,
        sessions: u32,
        timeout: Duration,
    ) -> Result<Self, sqlx::Error> {
        let pool = pool(sessions, timeout).connect_with(settings.connect(to)).await?;
        Ok(Self { pool, settings, timeout })
    }

    /// No session is opened before it is needed.
    pub fn lazily(to: &PgConnectOptions, settings: Settings, sessions: u32, timeout: Duration) -> Self {
        let pool = pool(sessions, timeout).connect_lazy_with(settings.connect(to));
        Self { pool, settings, timeout }
    }

    /// For what brings its own care: migrations, and a listener for as long as it listens.
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Gives a call up when its time is over.
    pub async fn in_time<T>(&self, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(late()))
    }

    /// One statement.
    pub async fn execute(&self, query: PgQuery<'_>) -> Result<PgQueryResult, sqlx::Error> {
        self.in_time(async {
            let mut session = self.start().await?;
            let done = query.execute(&mut *session).await?;
            session.done().await?;
            Ok(done)
        })
        .await
    }

    /// One statement that gives one row or none.
    pub async fn fetch_optional(&self, query: PgQuery<'_>) -> Result<Option<PgRow>, sqlx::Error> {
        self.in_time(async {
            let mut session = self.start().await?;
            let row = query.fetch_optional(&mut *session).await?;
            session.done().await?;
            Ok(row)
        })
        .await
    }

    /// One statement that gives rows.
    pub async fn fetch_all(&self, query: PgQuery<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        self.in_time(async {
            let mut session = self.start().await?;
            let rows = query.fetch_all(&mut *session).await?;
            session.done().await?;
            Ok(rows)
        })
        .await
    }

    /// A session for one call: behind a pooler in a transaction.
    pub async fn start(&self) -> Result<Session, sqlx::Error> {
        let mut session = self.start_bare().await?;
        if self.settings.behind_pooler() {
            sqlx::raw_sql(self.settings.begin()).execute(&mut *session).await?;
            session.in_transaction = true;
        }
        Ok(session)
    }

    /// A session for a call that begins its own transactions, by [`Settings::begin`].
    pub async fn start_bare(&self) -> Result<Session, sqlx::Error> {
        let connection = Some(self.pool.acquire().await?);
        Ok(Session { connection, in_transaction: false, timeout: self.timeout })
    }

    pub const fn settings(&self) -> &Settings {
        &self.settings
    }
}

fn pool(sessions: u32, timeout: Duration) -> PgPoolOptions {
    // All that idled on a connection that died are found dead within one call.
    let patience = timeout / sessions.saturating_add(2);
    PgPoolOptions::new().max_connections(sessions).acquire_timeout(timeout).test_before_acquire(false).before_acquire(
        move |session, idle| {
            let is_fresh = idle.idle_for < FRESH;
            Box::pin(async move { Ok(is_fresh || answers(session, patience).await) })
        },
    )
}

async fn answers(session: &mut PgConnection, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, session.ping()).await, Ok(Ok(())))
}

/// Closed when it is dropped: an answer may still be on its way. [`done`](Self::done) gives it back.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    timeout: Duration,
}

impl Session {
    /// Everything was answered: others may use it.
    pub async fn done(mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            sqlx::raw_sql("commit").execute(&mut *self).await?;
        }
        if let Some(mut connection) = self.connection.take() {
            // Dropping it would do the same, but wait for the server without end.
            tokio::spawn(tokio::time::timeout(self.timeout, connection.return_to_pool()));
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Out of the pool, so that another may take its place at once.
        drop(self.connection.take().map(PoolConnection::detach));
    }
}

const TAKEN: &str = "the connection is taken out when the session ends, and not before";

impl Deref for Session {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect(TAKEN)
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect(TAKEN)
    }
}
