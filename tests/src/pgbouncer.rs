//! A real PgBouncer in transaction mode.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Child, Stdio};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::server::{find_program, free_port, private_directory, unprivileged};
use crate::wait::until;

/// So few that callers share them.
const SESSIONS: usize = 3;

/// A pooler before the server of a database; it ends when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
}

impl PgBouncer {
    /// Starts one.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub async fn before_database(url: &str) -> Self {
        let directory = private_directory();
        let port = free_port();
        let server = url::Url::parse(url).unwrap();
        let mut target = format!(
            "host={} port={} user={}",
            server.host_str().unwrap(),
            server.port().unwrap_or(5432),
            server.username()
        );
        if let Some(password) = server.password() {
            target.push_str(&format!(" password={password}"));
        }
        let configuration = format!(
            "[databases]\n* = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = {SESSIONS}\nmax_client_conn = 200\n"
        );
        std::fs::write(directory.path().join("pgbouncer.ini"), configuration).unwrap();
        let mut pooler = Self { directory, port, process: None };
        pooler.start_again(url).await;
        pooler
    }

    /// Ends it in the middle of whatever it does.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the pooler runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again, before the same server.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub async fn start_again(&mut self, url: &str) {
        let program = find_program("pgbouncer", &[PathBuf::from("/usr/sbin")]);
        let program = program.expect("pgbouncer is not found: install PgBouncer");
        let log = std::fs::File::options().create(true).append(true).open(self.directory.path().join("log")).unwrap();
        let process = unprivileged(&program)
            .arg("pgbouncer.ini")
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
        let probe: PgConnectOptions = self.url(url).parse().unwrap();
        let probe = probe.extra_float_digits(None);
        until("the pooler answers", || async {
            let connection = probe.connect().await.ok()?;
            connection.close().await.ok()
        })
        .await;
    }

    /// The same address, by way of the pooler.
    ///
    /// # Panics
    /// When the address is none.
    #[must_use]
    pub fn url(&self, of: &str) -> String {
        let mut url = url::Url::parse(of).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}
