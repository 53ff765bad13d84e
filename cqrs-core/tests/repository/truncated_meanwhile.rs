//! Truncations that happen while a stream is being read.

use cqrs_core::{AsOf, Repository};

use super::truncating::{Diary, Note, SumUp, assert_truncated, entries, id};
use super::watched_store::WatchedStore;

/// 1 to 4 noted, summed up to 10 as the fifth event, then 6 and 7 noted.
async fn given() -> (WatchedStore, Repository<Diary>) {
    let store = WatchedStore::default();
    let diaries = Repository::<Diary>::new(store.clone());
    for number in 1..=4 {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    diaries.execute(&id(), SumUp).await.unwrap();
    for number in [6, 7] {
        diaries.execute(&id(), Note(number)).await.unwrap();
    }
    (store.clone(), crate::repository(store))
}

#[tokio::test]
async fn a_state_that_is_truncated_while_it_is_read_is_right() {
    let (store, diaries) = given().await;
    store.truncate_after_the_next_page(5);
    assert_eq!(entries(&diaries).await, [10, 6, 7]);
}

#[tokio::test]
async fn a_history_that_is_truncated_while_it_is_read_has_no_gap() {
    let (store, diaries) = given().await;
    store.truncate_after_the_next_page(5);
    let history = diaries.history(&id()).await.unwrap();
    assert_eq!(history.iter().map(|event| event.version.get()).collect::<Vec<_>>(), [5, 6, 7]);
}

#[tokio::test]
async fn a_past_that_is_truncated_while_it_is_read_is_an_error_and_not_the_half_of_it() {
    for kind in 0..3 {
        let (store, diaries) = given().await;
        let fourth = diaries.history(&id()).await.unwrap().swap_remove(3);
        let moment = match kind {
            0 => AsOf::Version(fourth.version),
            1 => AsOf::Position(fourth.position),
            _ => AsOf::Recorded(fourth.recorded_at),
        };
        store.truncate_after_the_next_page(5);
        assert_truncated(&diaries.load_as_of(&id(), moment).await, 5);
    }
}
