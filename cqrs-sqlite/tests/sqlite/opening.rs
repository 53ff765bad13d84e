//! What is opened, and what is refused and left as it is.

use std::time::Duration;

use cqrs_core::{Append, EventStore, StreamFactsStore, StreamName};
use cqrs_sqlite::{OpenError, SqliteEventStore};
use futures::future::join_all;

use super::file::{File, event, log};

#[tokio::test(flavor = "multi_thread")]
async fn starters_at_the_same_time_do_not_collide() {
    for _ in 0..10 {
        let file = File::new();
        let stores = join_all((0..8).map(|_| tokio::spawn(file.options().open()))).await;
        let mut ids = Vec::new();
        for store in stores {
            ids.push(store.unwrap().unwrap().head().await.unwrap().store_id);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "one of them has created the file");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_opened_again_holds_everything() {
    let file = File::new();
    let store = file.store().await;
    for number in 0..20 {
        store.append(Append::new(vec![event(&format!("account-{number}")), event("account-0")])).await.unwrap();
    }
    let (before, head) = (log(&store).await, store.head().await.unwrap());
    drop(store);
    let again = file.store().await;
    assert_eq!((log(&again).await, again.head().await.unwrap()), (before, head));
    let next = again.append(Append::new(vec![event("account-0")])).await.unwrap();
    assert_eq!(next.first_position, head.position.next());
    assert!(next.recorded_at > head.recorded_at.unwrap());
}

#[tokio::test]
async fn a_file_of_the_first_format_is_brought_up_to_date() {
    let file = File::new();
    let first = include_str!("../../migrations/0001_events.sql");
    file.execute(first).await.unwrap();
    file.execute("pragma application_id = 1668379251; pragma user_version = 1; pragma journal_mode = wal")
        .await
        .unwrap();
    let store = file.store().await;
    store.append(Append::new(vec![event("account-1")])).await.unwrap();
    let stream = StreamName::new("account-1").unwrap();
    let facts = store.archive(&stream).await.unwrap();
    drop(store);
    assert_eq!(file.store().await.facts(&stream).await.unwrap(), facts, "and keeps what is known of its streams");
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let file = File::new();
    std::fs::write(&file.path, "").unwrap();
    assert!(log(&file.store().await).await.is_empty());
}

async fn refused(file: &File) -> (OpenError, String) {
    let before = std::fs::read(&file.path).unwrap();
    let error = SqliteEventStore::open(&file.path).await.unwrap_err();
    assert!(std::fs::read(&file.path).unwrap() == before, "nothing is changed");
    let message = error.to_string();
    assert!(message.contains(file.path.to_str().unwrap()), "{message}");
    (error, message)
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    for content in ["no database", &"name,amount\n".repeat(1_000)] {
        let file = File::new();
        std::fs::write(&file.path, content).unwrap();
        let (error, message) = refused(&file).await;
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert!(message.contains("not an SQLite database"), "{message}");
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    for sql in [
        "create table events (position integer primary key)",
        "pragma application_id = 7",
        "pragma user_version = 1",
        "pragma journal_mode = wal; create table mine (id integer primary key)",
    ] {
        let file = File::new();
        file.execute(sql).await.unwrap();
        let (error, message) = refused(&file).await;
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert!(message.contains("database of another program"), "{message}");
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    let file = File::new();
    drop(file.store().await);
    file.execute("pragma user_version = 99; pragma wal_checkpoint(truncate)").await.unwrap();
    let (error, message) = refused(&file).await;
    assert!(matches!(error, OpenError::Newer { format: 99, .. }), "{error:?}");
    assert!(message.contains("format 99, newer than"), "{message}");
}

#[tokio::test]
async fn a_path_that_cannot_be_is_told_as_such() {
    let file = File::new();
    let nowhere = file.directory.join("missing/events.db");
    for (path, reason) in [
        (nowhere.as_path(), "its directory does not exist"),
        (file.directory.as_path(), "it is a directory"),
        (std::path::Path::new("/proc/events.db"), "cannot be written"),
    ] {
        let error = SqliteEventStore::open(path).await.unwrap_err();
        assert!(matches!(error, OpenError::Path { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn a_file_that_another_process_holds_is_locked() {
    let file = File::new();
    drop(file.store().await);
    let lock = file.hold_lock().await;
    let error = file.options().lock_timeout(Duration::from_millis(50)).open().await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(lock);
    file.store().await;
}
