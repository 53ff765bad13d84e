//! Behind the real PgBouncer in transaction mode.

use std::sync::Arc;

use cqrs_core::ReadModel;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_postgres::{MigrateError, PgReadModel};
use cqrs_testkit::Fixture;
use cqrs_tests::database::Database;
use cqrs_tests::pgbouncer::PgBouncer;

use super::ledger::{NAME, assert_caught_up, go_on, migrated, options, start};

async fn behind_pooler() -> ((PgBouncer, Database), PgReadModel) {
    let database = Database::new();
    migrated(&database).await;
    let pooler = PgBouncer::before_database(&database.url).await;
    let model = options(&database, &pooler.url(&database.url)).behind_pooler(true).connect().await.unwrap();
    ((pooler, database), model)
}

async fn read_model() -> Fixture<dyn ReadModel> {
    let (guard, model) = behind_pooler().await;
    Fixture::<dyn ReadModel>::new(Arc::new(model)).guard(guard)
}

mod contract {
    cqrs_testkit::read_model_contract!(super::read_model);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_asks_for_a_direct_connection() {
    let (_guard, model) = behind_pooler().await;
    assert!(matches!(model.migrate().await, Err(MigrateError::Pooler)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_is_killed_while_events_are_projected_loses_and_doubles_nothing() {
    let ((mut pooler, database), model) = behind_pooler().await;
    let direct = migrated(&database).await;
    let store = InMemoryEventStore::new();
    let running = start(store.clone(), model).await;
    for round in 0..3 {
        for seed in 0..30 {
            go_on(&store, round * 37 + seed).await;
        }
        pooler.kill();
        pooler.start_again(&database.url).await;
    }
    assert_caught_up(&running, &store, &direct).await;
    running.rebuild(NAME).await.unwrap();
    assert_caught_up(&running, &store, &direct).await;
}
