//! A working directory of its own for each test, removed in the end: what a visitor finds after `cargo run`.

use std::path::PathBuf;

use cqrs_core::RecordedEvent;
use cqrs_sqlite::SqliteEventStore;
use showcase::place::log;
use tokio::process::Command;
use uuid::Uuid;

use crate::SHOP;

pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().to_string());
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The program without any settings, started here.
    pub fn program(&self) -> Command {
        let mut program = SHOP.alone();
        program.current_dir(&self.0);
        program
    }

    /// The program with a purchase history, written here as `purchases.txt`.
    pub fn program_with(&self, history: impl AsRef<[u8]>) -> Command {
        self.write("purchases.txt", history);
        let mut program = self.program();
        program.args(["--input", "purchases.txt"]);
        program
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// The names of all that is here.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    /// The events in a file.
    pub async fn log(&self, name: &str) -> Vec<RecordedEvent> {
        assert!(self.path(name).exists(), "{name} is not among {:?}", self.names());
        let store = SqliteEventStore::open(self.path(name)).await.unwrap();
        let log = log(&store).await;
        store.close().await.unwrap();
        log
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
