//! A server that is stopped hard: events, documents and checkpoint in one cluster.

use std::time::Duration;

use cqrs_core::EventStore;
use cqrs_tests::database::Database;
use cqrs_tests::server::Server;
use cqrs_tests::wait::{AT_MOST, until};

use super::ledger::{NAME, assert_caught_up, folded, go_on, kept, migrated, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_hard_while_it_projects_comes_back_with_documents_that_fit_the_checkpoint() {
    let mut server = Server::start().await;
    let events = Database::at(&server.url());
    let database = Database::at(&server.url());
    let store = events.migrated().await;
    let model = migrated(&database).await;
    let running = start(store.clone(), model.clone()).await;
    for round in 0..4 {
        let mut last = None;
        for seed in 0..40 {
            last = Some(go_on(&store, round * 53 + seed).await);
        }
        let rebuild = (round == 3).then(|| tokio::spawn(running.rebuild(NAME).batch(5).into_future()));
        if round % 2 == 0 {
            running.wait_for(last.unwrap(), AT_MOST).await.unwrap();
        }
        server.stop_hard();
        let late = running.wait_for(last.unwrap().next(), Duration::from_millis(100)).await;
        assert!(late.is_err());
        server.start_again().await;
        until("the store answers", || async { store.head().await.ok() }).await;
        if let Some(rebuild) = rebuild {
            rebuild.await.unwrap().unwrap();
        }
        assert_caught_up(&running, &store, &model).await;
    }
    running.stop().await;
    assert_eq!(kept(&model).await, folded(&store).await);
}
