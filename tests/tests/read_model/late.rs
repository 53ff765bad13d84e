//! Calls that were given up and arrive all the same.

use std::time::Duration;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Generation, Partitions, ProjectionName, ReadModel};
use cqrs_postgres::PgReadModel;
use cqrs_tests::database::Database;
use cqrs_tests::proxy::{Held, Proxy};
use cqrs_tests::wait::{AT_MOST, until};

use super::ledger::{NAME, assert_caught_up, go_on, migrated, options, start};

const PATIENCE: Duration = Duration::from_millis(300);

async fn by_proxy(database: &Database) -> (Proxy, PgReadModel) {
    let proxy = Proxy::before_service(&database.url).await;
    let options = options(database, &proxy.url(&database.url)).connections(1).timeout(PATIENCE);
    let model = options.connect().await.unwrap();
    (proxy, model)
}

/// Lets through what was held, to the last byte.
async fn arrive(proxy: &Proxy, held: Held) {
    let open = proxy.connections();
    let abandoned = held.abandoned();
    assert!(abandoned > 0, "the client has given the connection up");
    held.release();
    until("what was held has arrived", || async { (proxy.connections() + abandoned <= open).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_arrives_after_its_repetition_and_after_later_ones_changes_nothing() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let (proxy, model) = by_proxy(&database).await;
    let store = InMemoryEventStore::new();
    let running = start(store.clone(), model).await;
    assert_caught_up(&running, &store, &direct).await;
    for round in 0..4 {
        let held = proxy.hold();
        let written = go_on(&store, round).await;
        running.wait_for(written, AT_MOST).await.unwrap();
        assert!(held.bytes() > 0, "the original is on its way");
        if round % 2 == 1 {
            let later = go_on(&store, round + 100).await;
            running.wait_for(later, AT_MOST).await.unwrap();
        }
        arrive(&proxy, held).await;
        assert_caught_up(&running, &store, &direct).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_arrives_after_later_ones_changes_nothing() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let (proxy, model) = by_proxy(&database).await;
    let name: ProjectionName = NAME.parse().unwrap();
    let first = direct.open(&name, Partitions::ONE).await.unwrap();
    let second = direct.begin(&name, Partitions::ONE).await.unwrap();
    let third = direct.begin(&name, Partitions::ONE).await.unwrap();
    let swap = async |to: Generation| direct.swap(&name, to).await.unwrap();
    let held = until("a swap is held back", || async {
        swap(first).await;
        model.live(&name).await.unwrap();
        let held = proxy.hold();
        let Err(error) = model.swap(&name, second).await else {
            // It has found a connection of its own.
            held.release();
            return None;
        };
        assert!(error.is_transient(), "{error:?}");
        (held.bytes() > 0).then_some(held)
    });
    let held = held.await;
    swap(third).await;
    arrive(&proxy, held).await;
    assert_eq!(direct.live(&name).await.unwrap().map(|live| live.generation), Some(third));
}
