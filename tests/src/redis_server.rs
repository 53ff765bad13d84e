//! A Redis server of a test's own, which may be stopped hard.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::server::{find_program, free_port, private_directory, unprivileged};
use crate::wait::until;

/// A server on a port of its own, its append-only file in a directory of its own; both go when it is dropped.
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Panics
    /// When Redis is not installed, or does not start.
    pub async fn start() -> Self {
        let mut server = Self { directory: private_directory(), port: free_port(), process: None };
        server.start_again().await;
        server
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends it in the middle of whatever it does.
    ///
    /// # Panics
    /// When it is not running.
    pub fn stop_hard(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it where it stopped.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub async fn start_again(&mut self) {
        let program = find_program("redis-server", &[]).expect("redis-server is not found: install Redis");
        let process = unprivileged(&program)
            .args(["--bind", "127.0.0.1", "--appendonly", "yes", "--save", "", "--port", &self.port.to_string()])
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = self.process.insert(process);
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
        until("the server answers", || {
            assert!(process.try_wait().unwrap().is_none(), "Redis ended by itself");
            // While it reads its file, it answers that it does.
            let answer = client.get_connection().and_then(|mut connection| redis::cmd("DBSIZE").exec(&mut connection));
            async { answer.ok() }
        })
        .await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop_hard();
        }
    }
}
