//! Plain SQL while documents are written and rebuilt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_tests::database::Database;

use super::ledger::{NAME, assert_caught_up, migrated, move_some, start};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_sees_whole_transfers_of_one_generation_while_money_moves_and_rebuilds_swap() {
    let database = Arc::new(Database::new());
    let model = migrated(&database).await;
    let store = InMemoryEventStore::new();
    let running = start(store.clone(), model.clone()).await;
    for seed in 0..50 {
        move_some(&store, seed).await;
    }
    assert_caught_up(&running, &store, &model).await;
    let over = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn({
        let (database, over) = (Arc::clone(&database), Arc::clone(&over));
        async move {
            let mut connection = database.connection().await;
            let sql = "select sum((document->>'balance')::bigint)::bigint, sum((document->>'events')::bigint)::bigint
                         from {schema}.sheets";
            let (mut events, mut statements) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let (sum, seen): (i64, i64) =
                    sqlx::query_as(database.sql(sql)).fetch_one(&mut connection).await.unwrap();
                assert_eq!(sum, 0, "no transfer is half seen");
                assert!(seen >= events, "never back: {seen} after {events}");
                (events, statements) = (seen, statements + 1);
            }
            statements
        }
    });
    for round in 0..6 {
        let rebuild = tokio::spawn(running.rebuild(NAME).batch(20).into_future());
        for seed in 0..40 {
            move_some(&store, round * 41 + seed).await;
            tokio::task::yield_now().await;
        }
        rebuild.await.unwrap().unwrap();
    }
    over.store(true, Ordering::Relaxed);
    assert!(reading.await.unwrap() > 6, "the reader has seen it");
    assert_caught_up(&running, &store, &model).await;
}
