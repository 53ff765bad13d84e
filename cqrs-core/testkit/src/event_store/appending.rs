//! What is in the log after an append, and what the append answers.

use std::collections::HashSet;

use cqrs_core::{Append, ReadAll, ReadStream};

use super::{Store, append, event, events, ids, log, new_ids, page, stream, stream_of, version, write};

pub async fn the_answer_says_where_the_events_stand(store: Store) {
    write(&store, "account-before", 2).await;
    let (_, appended) = write(&store, "account-a", 3).await;
    let recorded = stream_of(&store, "account-a").await;
    assert_eq!((appended.first_position, appended.position), (recorded[0].position, recorded[2].position));
    assert_eq!(appended.versions, [version(1), version(2), version(3)]);
    assert!(recorded.iter().all(|event| event.recorded_at == appended.recorded_at), "one commit, one time");
    assert!(!appended.repeated);
}

pub async fn the_events_of_one_append_follow_each_other(store: Store) {
    let mixed = vec![event("account-a"), event("account-b"), event("account-a"), event("order-1"), event("account-b")];
    write(&store, "account-b", 1).await;
    let appended = append(&store, Append::new(mixed.clone())).await;
    write(&store, "account-a", 1).await;
    let numbers: Vec<_> = appended.versions.iter().map(|version| version.get()).collect();
    assert_eq!(numbers, [1, 2, 2, 1, 3], "each stream counts for itself");
    assert_eq!(ids(&log(&store).await)[1..6], new_ids(&mixed), "in the order of the append");
}

pub async fn versions_of_a_stream_go_on_where_it_ended(store: Store) {
    for count in [1, 3, 2] {
        write(&store, "account-a", count).await;
    }
    let versions: Vec<_> = stream_of(&store, "account-a").await.iter().map(|event| event.version.get()).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
}

pub async fn a_thousand_events_go_into_one_append(store: Store) {
    let (written, appended) = write(&store, "account-a", 1_000).await;
    assert_eq!(appended.versions.len(), 1_000);
    assert_eq!(appended.version(), version(1_000));
    assert_eq!(ids(&log(&store).await), new_ids(&written));
    assert_eq!(page(&store, ReadStream::new(stream("account-a"))).await.events.len(), 1_000);
}

pub async fn a_thousand_streams_go_into_one_append(store: Store) {
    let mixed: Vec<_> = (0..1_000).map(|number| event(&format!("account-{number}"))).collect();
    let appended = append(&store, Append::new(mixed.clone())).await;
    assert!(appended.versions.iter().all(|version| version.get() == 1));
    assert_eq!(ids(&log(&store).await), new_ids(&mixed));
}

pub async fn what_was_written_is_read_at_once(store: Store) {
    for count in 1..=20 {
        let (_, appended) = write(&store, "account-a", 1).await;
        assert_eq!(store.head().await.expect("the head can be read").position, appended.position);
        assert_eq!(stream_of(&store, "account-a").await.len(), count);
        let page = store.read_all(ReadAll::after(appended.position.previous())).await.expect("the log can be read");
        assert_eq!(page.events.len(), 1);
    }
}

pub async fn an_event_that_was_written_is_never_changed(store: Store) {
    write(&store, "account-a", 3).await;
    let before = log(&store).await;
    write(&store, "account-a", 3).await;
    write(&store, "account-b", 1).await;
    assert_eq!(log(&store).await[..3], before);
}

pub async fn equal_events_under_their_own_ids_are_all_kept(store: Store) {
    append(&store, Append::new((0..5).map(|_| event("account-a")).collect())).await;
    append(&store, Append::new(vec![event("account-a")])).await;
    let recorded = stream_of(&store, "account-a").await;
    let distinct: HashSet<_> = ids(&recorded).into_iter().collect();
    assert_eq!((recorded.len(), distinct.len()), (6, 6));
}

pub async fn ids_need_not_increase(store: Store) {
    let mut turned = events("account-a", 10);
    turned.reverse();
    append(&store, Append::new(turned[5..].to_vec())).await;
    append(&store, Append::new(turned[..5].to_vec())).await;
    let expected: Vec<_> = turned[5..].iter().chain(&turned[..5]).map(|event| event.id).collect();
    assert_eq!(ids(&log(&store).await), expected, "the order is that of the appends, not of the ids");
}
