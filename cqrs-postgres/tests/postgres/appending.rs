//! Groups of appends: what fails, fails alone; what is lost on the way is found out.

use std::collections::HashSet;
use std::time::Duration;

use cqrs_core::{Append, AppendError, EventStore, ExpectedVersion, GlobalPosition, ReadAll, StreamName};
use futures::future::join_all;

use super::database::{Database, event, kill_appenders};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_lose_double_and_fail_nothing() {
    let database = Database::new();
    let store = database.migrated().await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let stream = StreamName::of("account", &writer).unwrap();
                let mut head = None;
                let mut ids = Vec::new();
                for _ in 0..60 {
                    let append = Append::new(vec![event(stream.as_str())]);
                    ids.extend(append.event_ids());
                    let appended =
                        store.append(append.expect(stream.clone(), ExpectedVersion::of(head))).await.unwrap();
                    head = Some(appended.version());
                }
                ids
            })
        })
        .collect();
    let killer = tokio::spawn(kill_appenders(store.clone(), database.url.clone(), database.schema.clone()));
    let mut acknowledged = HashSet::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    killer.abort();
    assert_eq!(acknowledged.len(), 16 * 60);
    assert_eq!(count(&store).await, 16 * 60, "each acknowledged append is in the log once, and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_without_an_answer_is_unknown_until_its_outcome_is_asked_for() {
    let database = Database::new();
    database.migrated().await;
    let store = database.options().append_timeout(Duration::from_millis(200)).connect().await.unwrap();
    let lock = database.hold_lock().await;
    let append = Append::new(vec![event("account-1")]);
    let ids = append.event_ids();
    let error = store.append(append.clone()).await.unwrap_err();
    assert!(matches!(&error, AppendError::Unknown { event_ids, .. } if *event_ids == ids), "{error:?}");
    let never_sent = store.append(Append::new(vec![event("account-2")])).await.unwrap_err();
    assert!(matches!(never_sent, AppendError::Transient(_)), "{never_sent:?}");
    drop(lock);
    let outcome = store.outcome(&ids).await.unwrap();
    let again = store.append(append).await.unwrap();
    if let Some(written) = outcome {
        assert_eq!(again.position, written.position);
    }
    assert_eq!(count(&store).await, 1, "written once, and what was never sent not at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_callers_back_and_then_says_so() {
    let database = Database::new();
    database.migrated().await;
    let options = database.options().append_timeout(Duration::from_millis(300)).queue_bytes(2_000);
    let store = options.connect().await.unwrap();
    let lock = database.hold_lock().await;
    let refused =
        join_all((0..20).map(|number| store.append(Append::new(vec![event(&format!("account-{number}"))])))).await;
    let mut unknown = 0;
    for outcome in refused {
        match outcome.unwrap_err() {
            AppendError::Unknown { .. } => unknown += 1,
            AppendError::Transient(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(unknown >= 1, "what was sent is unknown");
    drop(lock);
    let written = store.append(Append::new(vec![event("account-99")])).await.expect("the queue goes on");
    assert!(count(&store).await <= unknown + 1, "what was said to be not written is not");
    assert!(written.position > GlobalPosition::START);
}

async fn count(store: &impl EventStore) -> usize {
    store.read_all(ReadAll::after(GlobalPosition::START).limit(100_000)).await.unwrap().events.len()
}
