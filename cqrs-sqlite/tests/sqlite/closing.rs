//! A file that is closed is whole in itself.

use cqrs_core::{Append, AppendError, CheckpointStore, EventStore, Filter, GlobalPosition, ProjectionName, StoreError};
use futures::future::join_all;

use super::file::{File, event, log};

fn names(file: &File) -> Vec<String> {
    let entries = std::fs::read_dir(&file.directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_one_to_close_it_leaves_one_file_with_everything() {
    let file = File::new();
    let (store, other) = (file.store().await, file.store().await);
    for store in [&store, &other] {
        join_all((0..50).map(|number| store.append(Append::new(vec![event(&format!("account-{number}"))])))).await;
        store.subscribe(GlobalPosition::START, Filter::All).await.unwrap().next().await.unwrap();
    }
    let before = log(&store).await;
    assert_eq!(before.len(), 100);
    store.close().await.unwrap();
    assert_eq!(log(&other).await, before, "others go on");
    other.close().await.unwrap();
    assert_eq!(names(&file), ["events.db"]);

    let copy = File::new();
    std::fs::copy(&file.path, &copy.path).unwrap();
    assert_eq!(log(&copy.store().await).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_a_closed_store_is_an_error_and_changes_nothing() {
    let file = File::new();
    let (store, clone) = {
        let store = file.store().await;
        (store.clone(), store)
    };
    let append = Append::new(vec![event("account-1")]);
    store.append(append.clone()).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    let error = clone.append(Append::new(vec![event("account-1")])).await.unwrap_err();
    assert!(matches!(error, AppendError::Permanent(_)), "{error:?}");
    let error = clone.outcome(&append.event_ids()).await.unwrap_err();
    assert!(matches!(error, AppendError::Permanent(_)), "{error:?}");
    let error = clone.head().await.unwrap_err();
    assert!(matches!(error, StoreError::Permanent(_)), "{error:?}");
    let error = clone.checkpoints().load(&ProjectionName::new("mailer").unwrap()).await.unwrap_err();
    assert!(matches!(error, StoreError::Permanent(_)), "{error:?}");
    drop((store, clone));
    assert_eq!(names(&file), ["events.db"]);
    assert_eq!(log(&file.store().await).await.len(), 1);
}
