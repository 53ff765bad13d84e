//! The ledger's sheets in PostgreSQL.

use std::time::Duration;

use cqrs_core::{EventStore, ReadModel};
use cqrs_postgres::{PgReadModel, PgReadModelOptions};
use cqrs_projections::{Backoff, Projections, RetryTransient, Running};
use cqrs_tests::database::Database;
use cqrs_tests::ledger::Sheets;
use cqrs_tests::wait::AT_MOST;

pub use cqrs_tests::ledger::{NAME, folded, go_on, kept, move_some};

pub async fn start(store: impl EventStore, model: impl ReadModel) -> Running {
    let quick = RetryTransient::new(Backoff::new(Duration::from_millis(1), Duration::from_millis(20)));
    Projections::new(store).add(NAME, Sheets(1), model).error_policy(quick).start().await.unwrap()
}

pub fn options(database: &Database, url: &str) -> PgReadModelOptions {
    PgReadModelOptions::new(url).unwrap().schema(&database.schema).unwrap().connections(4)
}

pub async fn migrated(database: &Database) -> PgReadModel {
    let model = options(database, &database.url).connect().await.unwrap();
    model.migrate().await.unwrap();
    model
}

/// Waits until the read model is at the head, and compares.
pub async fn assert_caught_up(running: &Running, store: &dyn EventStore, model: &PgReadModel) {
    let head = store.head().await.unwrap().position;
    running.wait_for(head, AT_MOST).await.unwrap();
    assert_eq!(kept(model).await, folded(store).await);
}
