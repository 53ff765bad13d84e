//! A place of its own for each test on the real services: a schema, a key prefix, an index prefix.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::process::{Output, Stdio};

use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::Transport;
use elasticsearch::http::{Method, response::Response};
use futures::FutureExt;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::process::Command;
use uuid::Uuid;

/// Where a test's events and documents go.
pub struct Place {
    name: String,
    database_url: String,
    redis_url: String,
    elasticsearch_url: String,
}

fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run"))
}

/// The program without any settings.
pub fn in_memory() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bank_account"));
    for variable in ["DATABASE_URL", "REDIS_URL", "ELASTICSEARCH_URL", "BANK_ACCOUNT_SCHEMA"] {
        program.env_remove(variable);
    }
    program.stdin(Stdio::null()).kill_on_drop(true);
    program
}

/// Runs a test in a place of its own, and clears the place also when the test fails.
pub async fn in_place(test: impl AsyncFnOnce(&Place)) {
    let place = Place {
        name: format!("bank_{}", Uuid::now_v7().simple()),
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

impl Place {
    /// The program with its events and documents in this place.
    pub fn program(&self) -> Command {
        let mut program = in_memory();
        program.env("DATABASE_URL", &self.database_url).env("BANK_ACCOUNT_SCHEMA", &self.name);
        program.env("REDIS_URL", &self.redis_url).env("ELASTICSEARCH_URL", &self.elasticsearch_url);
        program
    }

    /// How many events there are.
    pub async fn events(&self) -> i64 {
        let mut database = PgConnection::connect(&self.database_url).await.unwrap();
        let sql = format!("select count(*) from {}.events", self.name);
        sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut database).await.unwrap().get(0)
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
            scan.arg(cursor).arg("MATCH").arg(format!("{{{}:*", self.name)).arg("COUNT").arg(10_000);
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

/// What a run that ended well said.
pub fn said(output: Output) -> String {
    let Output { status, stdout, stderr } = output;
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8_lossy(&stderr).into_owned());
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    stdout
}
