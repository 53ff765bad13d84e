//! The contract suites.

use std::sync::Arc;

use cqrs_core::{CheckpointStore, DeadLetterStore, EventStore, LeaseStore, ReadModel, SnapshotStore};
use cqrs_testkit::{Fixture, ImportingStore, TypedStore};

use super::database::Database;

async fn event_store() -> Fixture<dyn EventStore> {
    let database = Database::new();
    Fixture::<dyn EventStore>::new(Arc::new(database.migrated().await)).guard(database)
}

async fn poisoned() -> Fixture<dyn EventStore> {
    let database = Database::new();
    let store = database.migrated().await;
    let poison = "alter table {schema}.events add constraint poison check (event_type <> 'account.poisoned.v1')";
    database.execute(poison).await.unwrap();
    Fixture::<dyn EventStore>::new(Arc::new(store)).guard(database)
}

mod poisoned_events {
    cqrs_testkit::poisoned_event_store_contract!(super::poisoned);
}

async fn snapshot_store() -> Fixture<dyn SnapshotStore> {
    let database = Database::new();
    Fixture::<dyn SnapshotStore>::new(Arc::new(database.migrated().await.snapshots())).guard(database)
}

async fn checkpoint_store() -> Fixture<dyn CheckpointStore> {
    let database = Database::new();
    Fixture::<dyn CheckpointStore>::new(Arc::new(database.migrated().await.checkpoints())).guard(database)
}

async fn read_model() -> Fixture<dyn ReadModel> {
    let database = Database::new();
    Fixture::<dyn ReadModel>::new(Arc::new(database.read_model().await)).guard(database)
}

async fn lease_store() -> Fixture<dyn LeaseStore> {
    let database = Database::new();
    Fixture::<dyn LeaseStore>::new(Arc::new(database.migrated().await.leases())).guard(database)
}

async fn dead_letter_store() -> Fixture<dyn DeadLetterStore> {
    let database = Database::new();
    Fixture::<dyn DeadLetterStore>::new(Arc::new(database.migrated().await.dead_letters())).guard(database)
}

mod dead_letters {
    cqrs_testkit::dead_letter_store_contract!(super::dead_letter_store);
}

async fn importing() -> Fixture<dyn ImportingStore> {
    let database = Database::new();
    Fixture::<dyn ImportingStore>::new(Arc::new(database.migrated().await)).guard(database)
}

mod imports {
    cqrs_testkit::import_contract!(super::importing);
}

async fn typed() -> Fixture<dyn TypedStore> {
    let database = Database::new();
    Fixture::<dyn TypedStore>::new(Arc::new(database.migrated().await)).guard(database)
}

mod recorded_types {
    cqrs_testkit::recorded_types_contract!(super::typed);
}

mod events {
    cqrs_testkit::event_store_contract!(super::event_store);
}

mod subscriptions {
    cqrs_testkit::subscription_contract!(super::event_store);
}

mod snapshots {
    cqrs_testkit::snapshot_store_contract!(super::snapshot_store);
}

mod leases {
    cqrs_testkit::lease_store_contract!(super::lease_store);
}

mod checkpoints {
    cqrs_testkit::checkpoint_store_contract!(super::checkpoint_store);
}

mod read_models {
    cqrs_testkit::read_model_contract!(super::read_model);
}
