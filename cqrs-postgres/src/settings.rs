//! What a session runs under.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::options::PgOptions;
use crate::read_model::PgReadModelOptions;

/// Every statement here has an index in the order that it wants. Without statistics (a young table, a growing stream) the
/// planner would rather collect a whole stream and sort it, for each page again. So there is one plan, made once.
const PLANS: [(&str, &str); 4] = [
    ("enable_bitmapscan", "off"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// What ends on the server when the client no longer waits for it.
const WRITING: [&str; 2] = ["statement_timeout", "idle_in_transaction_session_timeout"];

/// Settings of a session: parameters of its start or, behind a pooler, of each transaction.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    name: String,
    limits: Vec<(&'static str, u128)>,
    behind_pooler: bool,
}

impl Settings {
    /// Imports write in such a session: a client that stops inside a transaction does not keep the lock here either.
    pub fn of_readers(options: &PgOptions) -> Self {
        let name = format!("cqrs:{}", options.schema);
        Self::new(name, &["idle_in_transaction_session_timeout"], options.attempt_timeout, options.behind_pooler)
    }

    /// A read model is read and written in the same sessions.
    pub fn of_read_model(options: &PgReadModelOptions) -> Self {
        let name = format!("cqrs-read-model:{}", options.schema);
        Self::new(name, &WRITING, options.timeout, options.behind_pooler)
    }

    /// The server gives up what the client no longer waits for, and a client that stops inside a transaction does not
    /// keep the lock.
    pub fn of_appender(options: &PgOptions, name: String) -> Self {
        Self::new(name, &WRITING, options.attempt_timeout, options.behind_pooler)
    }

    fn new(name: String, limits: &[&'static str], timeout: Duration, behind_pooler: bool) -> Self {
        let milliseconds = timeout.max(Duration::from_millis(1)).as_millis();
        let limits = limits.iter().map(|limit| (*limit, milliseconds)).collect();
        Self { name, limits, behind_pooler }
    }

    /// The application name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the next transaction may get another session of the server, so that there has to be one for everything.
    pub const fn behind_pooler(&self) -> bool {
        self.behind_pooler
    }

    pub fn connect(&self, to: &PgConnectOptions) -> PgConnectOptions {
        let connect = to.clone().application_name(&self.name);
        if self.behind_pooler {
            // A pooler knows few parameters, and refuses the rest.
            return connect.extra_float_digits(None).statement_cache_capacity(0);
        }
        let limits = self.limits.iter().map(|(limit, milliseconds)| (*limit, milliseconds.to_string()));
        connect.options(limits).options([("default_transaction_isolation", "read committed")]).options(PLANS)
    }

    /// Begins a transaction. The name is that of the transaction, not of the pooler's session: whoever looks for it finds
    /// none that has gone on to somebody else.
    pub fn begin(&self) -> SqlStr {
        if !self.behind_pooler {
            return AssertSqlSafe("begin").into_sql_str();
        }
        let mut sql = format!("begin isolation level read committed; set local application_name = '{}'", self.name);
        for (limit, milliseconds) in &self.limits {
            sql.push_str(&format!("; set local {limit} = {milliseconds}"));
        }
        for (name, value) in PLANS {
            sql.push_str(&format!("; set local {name} = {value}"));
        }
        // Safe: the name holds a checked schema and digits, the rest is ours.
        AssertSqlSafe(sql).into_sql_str()
    }

    /// Begins a transaction whose statements take no longer than this, each.
    pub fn begin_within(&self, limit: Duration) -> SqlStr {
        let limit = limit.max(Duration::from_millis(1)).as_millis();
        // Safe: a number was added.
        AssertSqlSafe(format!("{}; set local statement_timeout = {limit}", self.begin().as_str())).into_sql_str()
    }
}
