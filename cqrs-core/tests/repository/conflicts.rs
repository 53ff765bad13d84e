//! Writers that are faster.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Context, ExecuteError, ExpectedVersion, Version};

use super::counter::{Add, Counter, FillUpTo, TopUpTo, id};
use super::watched_store::WatchedStore;

#[tokio::test]
async fn a_command_is_decided_again_on_the_state_that_a_rival_left() {
    let store = WatchedStore::default().with_rivals(1);
    let counters = crate::repository::<Counter>(store.clone());
    let done = counters.execute(&id(), TopUpTo(1_007)).await.unwrap();
    assert_eq!((done.events, done.version, store.appends()), (1, Version::new(2), 2));
    assert_eq!(
        counters.load(&id()).await.unwrap().unwrap().state.total,
        1_007,
        "1000 of the rival and what is missing"
    );
}

#[tokio::test]
async fn a_command_that_a_rival_made_needless_does_nothing() {
    let store = WatchedStore::default().with_rivals(1);
    let counters = crate::repository::<Counter>(store.clone());
    assert_eq!(counters.execute(&id(), TopUpTo(500)).await.unwrap().events, 0);
    let store = WatchedStore::default().with_rivals(1);
    let error = crate::repository::<Counter>(store).execute(&id(), FillUpTo(500)).await.unwrap_err();
    assert!(matches!(&error, ExecuteError::Domain(reached) if reached.total == 1_000), "{error:?}");
}

#[tokio::test]
async fn a_conflict_is_the_callers_after_so_many_retries() {
    let store = WatchedStore::default().with_rivals(4);
    let counters = crate::repository::<Counter>(store.clone()).conflict_retries(3);
    let error = counters.execute(&id(), Add(1)).await.unwrap_err();
    assert!(
        matches!(&error, ExecuteError::Conflict { stream, expected, actual }
            if stream.as_str() == "counter-a"
                && *expected == ExpectedVersion::Exact(Version::new(3).unwrap())
                && *actual == Version::new(4)),
        "{error:?}"
    );
    assert_eq!(store.appends(), 4, "once and three times again");
    assert_eq!(counters.load(&id()).await.unwrap().unwrap().state.total, 4_000, "nothing of it was written");
}

#[tokio::test]
async fn the_last_retry_counts() {
    let store = WatchedStore::default().with_rivals(3);
    let counters = crate::repository::<Counter>(store.clone()).conflict_retries(3);
    assert_eq!(counters.execute(&id(), Add(1)).await.unwrap().version, Version::new(4));
}

#[tokio::test]
async fn without_retries_the_first_conflict_is_the_callers() {
    let store = WatchedStore::default().with_rivals(1);
    let counters = crate::repository::<Counter>(store.clone()).conflict_retries(0);
    let error = counters.execute(&id(), Add(1)).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Conflict { expected: ExpectedVersion::NoStream, .. }), "{error:?}");
    assert_eq!(store.appends(), 1);
}

#[tokio::test]
async fn an_expectation_of_the_caller_that_holds_lets_the_command_through() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    for (number, expected) in [
        ExpectedVersion::NoStream,
        ExpectedVersion::Exact(Version::FIRST),
        ExpectedVersion::StreamExists,
        ExpectedVersion::Any,
    ]
    .into_iter()
    .enumerate()
    {
        let done = counters.execute_with(&id(), Add(1), Context::new().expected(expected)).await.unwrap();
        assert_eq!(done.version, Version::new(number as u64 + 1));
    }
}

#[tokio::test]
async fn an_expectation_of_the_caller_that_does_not_hold_is_a_conflict_and_not_tried_again() {
    let store = WatchedStore::default();
    let counters = crate::repository::<Counter>(store.clone());
    counters.execute(&id(), Add(1)).await.unwrap();
    counters.execute(&id(), Add(1)).await.unwrap();
    store.appends();
    store.events_read();
    for wanted in [ExpectedVersion::NoStream, ExpectedVersion::Exact(Version::FIRST)] {
        let error = counters.execute_with(&id(), Add(1), Context::new().expected(wanted)).await.unwrap_err();
        assert!(
            matches!(&error, ExecuteError::Conflict { stream, expected, actual }
                if stream.as_str() == "counter-a" && *expected == wanted && *actual == Version::new(2)),
            "{error:?}"
        );
    }
    assert_eq!(store.appends(), 0);
    assert!(store.events_read() <= 4, "each of the two loads the two events once");
}

#[tokio::test]
async fn a_conflict_with_an_expectation_of_the_caller_is_not_tried_again_when_a_rival_was_faster() {
    let store = WatchedStore::default().with_rivals(1);
    let counters = crate::repository::<Counter>(store.clone());
    let context = Context::new().expected(ExpectedVersion::NoStream);
    let error = counters.execute_with(&id(), Add(1), context).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Conflict { .. }), "{error:?}");
    assert_eq!(store.appends(), 1);
    assert!(store.events_read() <= 2, "it is not loaded again for each retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_repositories_that_race_every_command_lands_once() {
    let store = InMemoryEventStore::new();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            // A repository of its own, as in another process.
            let counters = crate::repository::<Counter>(store.clone()).conflict_retries(10_000);
            tokio::spawn(async move {
                for _ in 0..25 {
                    counters.execute(&id(), Add(1)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let loaded = crate::repository::<Counter>(store).load(&id()).await.unwrap().unwrap();
    assert_eq!((loaded.state.total, loaded.version.get()), (100, 100));
}
