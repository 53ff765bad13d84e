//! The server refuses in the middle of a transaction.

use std::time::{Duration, Instant};

use cqrs_core::{AppendError, EventStore, EventType};
use cqrs_tests::database::{Database, append, log};

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_failed_in_the_middle_of_its_transaction_does_not_keep_the_lock() {
    let database = Database::new();
    let other = database.migrated().await;
    let full = "create function {schema}.no_room() returns trigger language plpgsql as \
                'begin raise exception ''no room'' using errcode = ''disk_full''; end'; \
                create trigger no_room before insert on {schema}.events for each row \
                when (new.event_type = 'account.enormous.v1') execute function {schema}.no_room()";
    sqlx::raw_sql(database.sql(full)).execute(&mut database.connection().await).await.unwrap();
    let timeout = Duration::from_secs(20);
    let options = database.options().attempt_timeout(timeout).append_timeout(Duration::from_secs(1));
    let store = options.connect().await.unwrap();
    let mut enormous = append("account-1");
    enormous.events[0].event_type = EventType::new("account.enormous.v1").unwrap();
    // Behind a group that waits for the lock they form one: what stands in it twice takes the long transaction.
    let lock = database.hold_lock().await;
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.append(append("account-1")).await }
    });
    let mut watching = database.connection().await;
    database.appender(&mut watching, "wait_event_type = 'Lock'").await;
    let twice = tokio::join!(store.append(enormous.clone()), store.append(enormous), async { drop(lock) });
    first.await.unwrap().unwrap();
    for answer in [twice.0, twice.1] {
        assert!(matches!(answer, Err(AppendError::Transient(_))), "it was certainly not written: {answer:?}");
    }
    let start = Instant::now();
    other.append(append("account-1")).await.unwrap();
    assert!(start.elapsed() < timeout / 4, "{:?}", start.elapsed());
    assert_eq!(log(&other).await.len(), 2);
}
