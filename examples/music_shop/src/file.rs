//! The file that keeps the events when no server does.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use cqrs_core::{Aggregate, EventStore, GlobalPosition, ReadAll};
use cqrs_sqlite::SqliteEventStore;

use crate::customer::Customer;

/// In the working directory: `music-shop.sqlite` for the CDNOW history, `music-shop-purchases.sqlite` for
/// `purchases.txt`. Histories in one file would be one history.
pub fn default_path(input: Option<&Path>) -> PathBuf {
    let mut name = OsString::from("music-shop");
    if let Some(history) = input.and_then(Path::file_stem) {
        name.push("-");
        name.push(history);
    }
    name.push(".sqlite");
    PathBuf::from(name)
}

/// Removes the file, and what SQLite may have left beside it when it was killed.
pub fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Opens the file, or creates it. What is in a log stays there: a file of another program is refused.
pub async fn open(path: &Path) -> Result<SqliteEventStore, Box<dyn Error>> {
    let store = SqliteEventStore::open(path).await?;
    let first = store.read_all(ReadAll::after(GlobalPosition::START).limit(1)).await?.events.pop();
    match first.filter(|event| event.stream.category() != Customer::CATEGORY) {
        Some(event) => Err(format!("{} holds events of another program: {}", path.display(), event.stream).into()),
        None => Ok(store),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_history_has_a_file_of_its_own() {
        assert_eq!(default_path(None), Path::new("music-shop.sqlite"));
        assert_eq!(default_path(Some(Path::new("data/purchases.txt"))), Path::new("music-shop-purchases.sqlite"));
    }
}
