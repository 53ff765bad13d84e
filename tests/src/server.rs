//! A PostgreSQL server of a test's own, which may be stopped hard.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::wait::until;

/// `nobody`: PostgreSQL and PgBouncer do not run as root.
const NOBODY: u32 = 65_534;

/// A server on a port of its own, its data in a directory of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    programs: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub async fn start() -> Self {
        let directory = private_directory();
        let programs = programs();
        let made = unprivileged(&programs.join("initdb"))
            .args(["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = Self { directory, programs, port: free_port(), process: None };
        server.start_again().await;
        server
    }

    /// The address of its database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it at once, without a checkpoint, as `pg_ctl stop -m immediate` does; it recovers when it starts again.
    ///
    /// # Panics
    /// When it is not running.
    pub fn stop_hard(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        signal(&process, Signal::QUIT);
        process.wait().unwrap();
    }

    /// Starts it where it stopped.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub async fn start_again(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let process = unprivileged(&self.programs.join("postgres"))
            .args(["-D", "data", "-k", "", "-c", "listen_addresses=127.0.0.1", "-p", &self.port.to_string()])
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let process = self.process.insert(process);
        let (url, log) =
            (format!("postgres://postgres@127.0.0.1:{}/postgres", self.port), self.directory.path().join("log"));
        until("the server answers", || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(&log).unwrap_or_default());
            async { PgConnection::connect(&url).await.ok() }
        })
        .await;
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.stop_hard();
        }
    }
}

/// Sends a signal to a child that was not waited for.
///
/// # Panics
/// When it cannot be sent.
pub fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

/// A directory that the unprivileged user owns.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn private_directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    if is_root() {
        chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    directory
}

/// A command that never runs as root.
#[must_use]
pub fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("PGDATA");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// A port that was free just now.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The first of these directories that has the program.
#[must_use]
pub fn find_program(name: &str, beside: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(beside.iter().cloned())
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// Where `initdb` and `postgres` are: by PATH, else the newest of the distribution.
fn programs() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    versions.reverse();
    let initdb = find_program("initdb", &versions).expect("initdb is not found: install PostgreSQL");
    initdb.canonicalize().unwrap().parent().unwrap().to_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
