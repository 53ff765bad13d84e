//! A directory of one's own for the file of an embedded store, removed at the end.

use std::path::PathBuf;

use crate::Error;

pub struct File {
    directory: PathBuf,
}

impl File {
    pub fn create() -> Result<Self, Error> {
        let directory = std::env::temp_dir().join(format!("cqrs-bench-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&directory)?;
        Ok(Self { directory })
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join("events.db")
    }

    pub fn remove(self) -> Result<(), Error> {
        Ok(std::fs::remove_dir_all(self.directory)?)
    }
}
