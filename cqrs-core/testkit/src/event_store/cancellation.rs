//! Appends whose future is dropped.

use cqrs_core::Append;

use super::{Store, append, event, log, new_ids, stream_of, write};

/// Starts an append and drops it after so many turns of the scheduler.
async fn dropped_after(store: &Store, turns: usize, dropped: Append) {
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.append(dropped).await }
    });
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    writing.abort();
    let _ = writing.await;
}

pub async fn a_dropped_append_is_written_wholly_or_not_at_all_and_its_outcome_is_final(store: Store) {
    let mut known = Vec::new();
    for turns in 0..30 {
        let events = vec![event("account-a"), event("account-b"), event("account-a")];
        dropped_after(&store, turns, Append::new(events.clone())).await;
        let found = store.outcome(&new_ids(&events)).await.expect("all of the events are known, or none");
        known.push((events, found));
    }
    write(&store, "account-a", 1).await;
    let log = log(&store).await;
    for (events, found) in known {
        let recorded: Vec<_> =
            log.iter().filter(|recorded| events.iter().any(|event| event.id == recorded.id)).collect();
        match found {
            None => assert_eq!(recorded.len(), 0, "what had not been written by then never is"),
            Some(found) => {
                assert_eq!(recorded.len(), 3);
                assert_eq!((found.first_position, found.position), (recorded[0].position, recorded[2].position));
            }
        }
    }
}

pub async fn a_dropped_append_can_be_repeated(store: Store) {
    for turns in 0..20 {
        let events = vec![event("account-a"), event("account-b")];
        dropped_after(&store, turns, Append::new(events.clone())).await;
        append(&store, Append::new(events)).await;
    }
    assert_eq!(stream_of(&store, "account-a").await.len(), 20);
    assert_eq!(stream_of(&store, "account-b").await.len(), 20);
    assert_eq!(log(&store).await.len(), 40);
}

pub async fn dropped_appends_do_not_harm_their_neighbours(store: Store) {
    let kept: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { write(&store, &format!("account-{number}"), 2).await })
        })
        .collect();
    for turns in 0..20 {
        dropped_after(&store, turns % 4, Append::new(vec![event("order-1")])).await;
    }
    for task in kept {
        task.await.expect("an append does not panic");
    }
    let log = log(&store).await;
    assert_eq!(log.iter().filter(|event| event.stream.category() == "account").count(), 40);
}
