//! Processes that take the read model from one another.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_tests::database::Database;

use super::ledger::{assert_caught_up, go_on, migrated, options, start};

#[tokio::test(flavor = "multi_thread")]
async fn owners_that_replace_each_other_under_load_lose_and_double_nothing() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let store = InMemoryEventStore::new();
    let mut former = Vec::new();
    for round in 0..12 {
        let model = options(&database, &database.url).connections(2).connect().await.unwrap();
        let running = start(store.clone(), model).await;
        // Those before it go on in the meantime, as far as they can.
        for seed in 0..30 {
            go_on(&store, round * 31 + seed).await;
        }
        former.push(running);
    }
    let newest = former.pop().unwrap();
    assert_caught_up(&newest, &store, &direct).await;
    go_on(&store, 5).await;
    assert_caught_up(&newest, &store, &direct).await;
}
