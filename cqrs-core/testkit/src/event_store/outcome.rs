//! What became of an append whose answer was lost, and the head of the log.

use cqrs_core::{Append, AppendError, Appended, EventId, GlobalPosition};

use super::{Store, append, event, ids, log, new_ids, stream_of, write};

async fn outcome(store: &Store, of: &[EventId]) -> Option<Appended> {
    store.outcome(of).await.expect("the outcome can be found out")
}

#[track_caller]
fn assert_stands_at(found: &Appended, first: &Appended) {
    let place = |of: &Appended| (of.first_position, of.position, of.versions.clone(), of.recorded_at);
    assert_eq!(place(found), place(first));
}

pub async fn the_outcome_of_what_was_never_written_is_none(store: Store) {
    write(&store, "account-a", 2).await;
    assert_eq!(outcome(&store, &[EventId::new(), EventId::new()]).await, None);
}

pub async fn the_outcome_of_what_was_written_is_where_it_stands(store: Store) {
    write(&store, "account-a", 2).await;
    let events = vec![event("account-a"), event("account-b"), event("account-a")];
    let first = append(&store, Append::new(events.clone())).await;
    write(&store, "account-a", 2).await;
    let found = outcome(&store, &new_ids(&events)).await.expect("it was written");
    assert_stands_at(&found, &first);
}

pub async fn ids_of_which_only_some_are_known_are_reused(store: Store) {
    let (events, _) = write(&store, "account-a", 2).await;
    for ids in [[events[1].id, EventId::new()], [EventId::new(), events[1].id]] {
        let error = store.outcome(&ids).await.expect_err("no single append can have done that");
        assert!(
            matches!(&error, AppendError::EventIdReused { id, stream, version }
                if *id == events[1].id && stream.as_str() == "account-a" && version.get() == 2),
            "{error:?}"
        );
    }
}

pub async fn the_outcome_of_an_append_that_is_being_written_is_all_or_nothing(store: Store) {
    for round in 0..20 {
        let to = format!("account-{round}");
        let events = vec![event(&to), event("account-all"), event(&to)];
        let ids = new_ids(&events);
        let writing = tokio::spawn({
            let store = store.clone();
            async move { append(&store, Append::new(events)).await }
        });
        while outcome(&store, &ids).await.is_none() && !writing.is_finished() {
            tokio::task::yield_now().await;
        }
        let first = writing.await.expect("the append does not panic");
        let found = outcome(&store, &ids).await.expect("it was written");
        assert_stands_at(&found, &first);
    }
    assert_eq!(stream_of(&store, "account-all").await.len(), 20);
}

pub async fn the_head_of_an_empty_log_is_its_start(store: Store) {
    let head = store.head().await.expect("the head can be read");
    assert_eq!((head.position, head.event_id, head.recorded_at), (GlobalPosition::START, None, None));
}

pub async fn the_head_is_the_newest_event(store: Store) {
    for (to, count) in [("account-a", 3), ("order-1", 1), ("account-a", 1)] {
        write(&store, to, count).await;
        let head = store.head().await.expect("the head can be read");
        let log = log(&store).await;
        let newest = log.last().expect("events were written");
        assert_eq!(head.position, newest.position);
        assert_eq!((head.event_id, head.recorded_at), (Some(newest.id), Some(newest.recorded_at)));
        assert_eq!(head.event_id, ids(&log).last().copied());
    }
}

pub async fn the_store_keeps_its_id(store: Store) {
    let before = store.head().await.expect("the head can be read").store_id;
    write(&store, "account-a", 3).await;
    assert_eq!(store.head().await.expect("the head can be read").store_id, before);
}

pub async fn all_who_ask_at_once_get_the_same_outcome(store: Store) {
    let (events, appended) = write(&store, "account-a", 3).await;
    let ids = new_ids(&events);
    let asked = (0..20).map(|_| {
        let (store, ids) = (store.clone(), ids.clone());
        tokio::spawn(async move { store.outcome(&ids).await })
    });
    for asked in asked.collect::<Vec<_>>() {
        let outcome = asked.await.expect("asking does not panic").expect("the outcome is found out");
        assert_eq!(outcome.map(|outcome| outcome.position), Some(appended.position));
    }
}
