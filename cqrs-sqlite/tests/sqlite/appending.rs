//! Groups of appends: what fails, fails alone; what was not written is told apart from what nobody knows.

use std::time::Duration;

use cqrs_core::{Append, AppendError, EventStore, Generation, GlobalPosition, ProjectionName, SnapshotStore};
use cqrs_core::{Checkpoint, CheckpointStore, FencingToken, Snapshot, Timestamp, Version};
use futures::future::join_all;

use super::file::{File, event, log};

#[tokio::test(flavor = "multi_thread")]
async fn an_append_behind_the_lock_of_another_is_transient_and_never_written() {
    let file = File::new();
    let store = file.options().append_timeout(Duration::from_millis(200)).open().await.unwrap();
    let lock = file.hold_lock().await;
    let append = Append::new(vec![event("account-1")]);
    let ids = append.event_ids();
    let error = store.append(append).await.unwrap_err();
    assert!(matches!(error, AppendError::Transient(_)), "{error:?}");
    let error = store.outcome(&ids).await.unwrap_err();
    assert!(matches!(error, AppendError::Transient(_)), "the other may be writing it: {error:?}");
    drop(lock);
    store.append(Append::new(vec![event("account-2")])).await.unwrap();
    assert_eq!(store.outcome(&ids).await.unwrap(), None);
    assert_eq!(log(&store).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_callers_back_and_then_says_so() {
    let file = File::new();
    let store = file.options().append_timeout(Duration::from_millis(300)).queue_bytes(2_000).open().await.unwrap();
    let lock = file.hold_lock().await;
    let refused = join_all((0..20).map(|number| store.append(Append::new(vec![event(&format!("account-{number}"))]))));
    for outcome in refused.await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, AppendError::Transient(_)), "{error:?}");
    }
    drop(lock);
    let written = store.append(Append::new(vec![event("account-99")])).await.expect("the queue goes on");
    assert_eq!(written.position, GlobalPosition::new(1), "what was said to be not written is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_checkpoints_are_saved_while_others_append() {
    let file = File::new();
    let store = file.store().await;
    let written = store.append(Append::new(vec![event("account-1")])).await.unwrap();
    let head = store.head().await.unwrap();
    let appending = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                join_all((0..8).map(|number| store.append(Append::new(vec![event(&format!("order-{number}"))])))).await;
            }
        }
    });
    let recorded = log(&store).await.remove(0);
    let reader = ProjectionName::new("mailer").unwrap();
    for number in 1..=50 {
        let snapshot = Snapshot {
            stream: recorded.stream.clone(),
            version: Version::new(number).unwrap(),
            position: written.position,
            event_id: recorded.id,
            recorded_at: written.recorded_at,
            happened_until: Timestamp::now(),
            state_version: 1,
            fingerprint: u64::MAX,
            state: recorded.payload.clone(),
        };
        store.snapshots().save(snapshot).await.unwrap();
        let checkpoint = Checkpoint {
            store_id: head.store_id,
            position: GlobalPosition::new(number),
            event_id: None,
            generation: Generation::FIRST,
            token: FencingToken::new(1),
        };
        store.checkpoints().save(&reader, checkpoint).await.unwrap();
    }
    appending.abort();
    assert_eq!(store.checkpoints().load(&reader).await.unwrap().unwrap().position.get(), 50);
}
