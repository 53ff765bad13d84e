//! Stores in different schemas know nothing of each other.

use cqrs_core::{Append, EventStore, ExpectedVersion, StreamName};

use super::database::{Database, event};

#[tokio::test]
async fn tenants_hold_the_same_streams_and_never_wait_for_one_another() {
    let (one, other) = (Database::new(), Database::new());
    let (first, second) = (one.migrated().await, other.migrated().await);
    let lock = one.hold_lock().await;
    let blocked = tokio::spawn({
        let first = first.clone();
        async move { first.append(create()).await }
    });
    second.append(create()).await.expect("another tenant does not wait");
    assert!(!blocked.is_finished());
    drop(lock);
    blocked.await.unwrap().expect("the same stream, in another store");
    assert_ne!(first.head().await.unwrap().store_id, second.head().await.unwrap().store_id);
}

fn create() -> Append {
    Append::new(vec![event("account-1")]).expect(StreamName::new("account-1").unwrap(), ExpectedVersion::NoStream)
}
