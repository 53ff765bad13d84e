//! The server ends hard and comes back.

use std::time::{Duration, Instant};

use cqrs_core::{Append, AppendError, EventStore, Payload};
use cqrs_tests::database::{Database, append, event, log};
use cqrs_tests::server::Server;
use cqrs_tests::wait::within;
use futures::future::join_all;

use super::witness::{Witness, head};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_hard_under_load_loses_and_doubles_nothing_and_the_process_goes_on_by_itself() {
    let mut server = Server::start().await;
    let database = Database::at(&server.url());
    database.migrated().await;
    let store = database.options().attempt_timeout(Duration::from_secs(2)).connect().await.unwrap();
    let witness = Witness::start(&store, 8);
    for _ in 0..4 {
        witness.acknowledged(200).await;
        server.stop_hard();
        server.start_again().await;
    }
    witness.acknowledged(200).await;
    let verdict = witness.verdict(&database.options().connect().await.unwrap()).await;
    verdict.assert_sound();
    assert_eq!(verdict.attempted, verdict.acknowledged, "callers had nothing but to wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_every_call_fails_in_bounded_time_as_certainly_not_done() {
    let mut server = Server::start().await;
    let database = Database::at(&server.url());
    database.migrated().await;
    let (append_timeout, attempt_timeout) = (Duration::from_millis(400), Duration::from_millis(200));
    let options = database.options().append_timeout(append_timeout).attempt_timeout(attempt_timeout);
    let options = options.read_timeout(Duration::from_millis(400));
    let store = options.connect().await.unwrap();
    store.append(append("account-1")).await.unwrap();
    server.stop_hard();
    // The first may have been on the way when the connection was found to be gone.
    let _ = store.append(append("account-1")).await;
    let start = Instant::now();
    let appends = join_all((0..50).map(|_| store.append(append("account-1")))).await;
    for answer in appends {
        assert!(matches!(answer, Err(AppendError::Transient(_))), "nothing was sent: {answer:?}");
    }
    let outcome = store.outcome(&append("account-1").event_ids()).await;
    assert!(matches!(outcome, Err(AppendError::Transient(_))), "{outcome:?}");
    let read = store.head().await.unwrap_err();
    assert!(read.is_transient(), "{read:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    server.start_again().await;
    within("appends go on", Duration::from_secs(10), async {
        while store.append(append("account-2")).await.is_err() {}
    })
    .await;
    head(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_the_queue_takes_no_more_than_its_bytes() {
    let mut server = Server::start().await;
    let database = Database::at(&server.url());
    database.migrated().await;
    let large = || {
        let mut event = event("account-1");
        event.payload = Payload::from_bytes(format!("\"{}\"", "x".repeat(10_000)));
        Append::new(vec![event])
    };
    let options = database.options().append_timeout(Duration::from_secs(1)).queue_bytes(200_000);
    let store = options.connect().await.unwrap();
    store.append(large()).await.unwrap();
    server.stop_hard();
    let answers = join_all((0..500).map(|_| store.append(large()))).await;
    let full = |error: &AppendError| matches!(error, AppendError::Transient(why) if why.to_string().contains("full"));
    let taken = answers.iter().filter(|answer| !full(answer.as_ref().unwrap_err())).count();
    assert!((1..20).contains(&taken), "{taken} of 500 were taken, each of more than 10,000 bytes");
    server.start_again().await;
    let written = within("appends go on", Duration::from_secs(10), async {
        loop {
            if let Ok(appended) = store.append(large()).await {
                return appended;
            }
        }
    });
    let written = written.await;
    let unknown = answers.iter().filter(|answer| matches!(answer, Err(AppendError::Unknown { .. }))).count();
    let log = log(&database.options().connect().await.unwrap()).await;
    assert_eq!(log.last().unwrap().position, written.position);
    assert!(log.len() <= 2 + unknown, "what was said to be not written is not: {} events", log.len());
}
