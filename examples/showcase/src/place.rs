//! A place of its own for each test on the real services: a schema, a key prefix, an index prefix.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::process::{Output, Stdio};

use cqrs_core::{EventStore, GlobalPosition, ReadAll, RecordedEvent};
use cqrs_postgres::{PgEventStore, PgOptions};
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::Transport;
use elasticsearch::http::{Method, response::Response};
use futures::FutureExt;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::Command;
use uuid::Uuid;

/// A program that is tested as a user runs it.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    path: &'static str,
    schema_variable: &'static str,
}

/// Where a test's events and documents go.
#[derive(Debug)]
pub struct Place {
    program: Program,
    name: String,
    database_url: String,
    redis_url: String,
    elasticsearch_url: String,
}

impl Program {
    /// The program at `path`, which reads the name of its schema from an environment variable.
    #[must_use]
    pub const fn new(path: &'static str, schema_variable: &'static str) -> Self {
        Self { path, schema_variable }
    }

    /// The program without any settings.
    #[must_use]
    pub fn alone(&self) -> Command {
        let mut program = Command::new(self.path);
        for variable in ["DATABASE_URL", "REDIS_URL", "ELASTICSEARCH_URL", self.schema_variable] {
            program.env_remove(variable);
        }
        program.stdin(Stdio::null()).kill_on_drop(true);
        program
    }

    /// Runs a test in a place of its own, and clears the place also when the test fails.
    ///
    /// # Panics
    /// When the test does, and when a service is missing.
    pub async fn in_place(&self, test: impl AsyncFnOnce(&Place)) {
        let place = Place {
            program: *self,
            name: format!("example_{}", Uuid::now_v7().simple()),
            database_url: service("DATABASE_URL"),
            redis_url: service("REDIS_URL"),
            elasticsearch_url: service("ELASTICSEARCH_URL"),
        };
        let outcome = AssertUnwindSafe(test(&place)).catch_unwind().await;
        place.clear().await;
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
    }
}

fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run"))
}

impl Place {
    /// The program with its events and documents in this place.
    #[must_use]
    pub fn program(&self) -> Command {
        let mut program = self.program_without_documents();
        program.env("REDIS_URL", &self.redis_url).env("ELASTICSEARCH_URL", &self.elasticsearch_url);
        program
    }

    /// The program with its events in this place, and its documents in memory.
    #[must_use]
    pub fn program_without_documents(&self) -> Command {
        let mut program = self.program.alone();
        program.env("DATABASE_URL", &self.database_url).env(self.program.schema_variable, &self.name);
        program
    }

    /// The events of this place.
    ///
    /// # Panics
    /// When they cannot be reached.
    pub async fn store(&self) -> PgEventStore {
        PgOptions::new(&self.database_url).unwrap().schema(&self.name).unwrap().connect().await.unwrap()
    }

    async fn clear(&self) {
        let mut database = PgConnection::connect(&self.database_url).await.unwrap();
        let sql = format!("drop schema if exists {} cascade", self.name);
        sqlx::query(AssertSqlSafe(sql)).execute(&mut database).await.unwrap();

        let redis = redis::Client::open(self.redis_url.as_str()).unwrap();
        let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("*{}:*", self.name)).arg("COUNT").arg(10_000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut redis).await.unwrap();
            if !keys.is_empty() {
                redis::cmd("UNLINK").arg(keys).exec_async(&mut redis).await.unwrap();
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }

        let path = format!("_cat/indices/{}.*?format=json&h=index", self.name);
        let indices: Vec<Value> = self.elasticsearch(Method::Get, &path).await.json().await.unwrap();
        for index in indices.iter().filter_map(|index| index["index"].as_str()) {
            assert!(self.elasticsearch(Method::Delete, index).await.status_code().is_success());
        }
    }

    async fn elasticsearch(&self, method: Method, path: &str) -> Response {
        let transport = Transport::single_node(&self.elasticsearch_url).unwrap();
        transport.send(method, path, HeaderMap::new(), None::<&()>, None::<()>, None).await.unwrap()
    }
}

/// The whole log.
///
/// # Panics
/// When it cannot be read.
pub async fn log(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let (mut events, mut after) = (Vec::new(), GlobalPosition::START);
    loop {
        let page = store.read_all(ReadAll::after(after).limit(10_000)).await.unwrap();
        events.extend(page.events);
        after = page.scanned_to;
        if !page.more {
            return events;
        }
    }
}

/// What a run that ended well said.
///
/// # Panics
/// When it ended badly.
pub fn said(output: Output) -> String {
    let Output { status, stdout, stderr } = output;
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    stdout
}
