//! The contract suites.

use std::sync::Arc;

use cqrs_core::{CheckpointStore, DeadLetterStore, EventStore, LeaseStore, SnapshotStore};
use cqrs_testkit::{Fixture, ImportingStore, TypedStore};

use super::file::File;

async fn event_store() -> Fixture<dyn EventStore> {
    let file = File::new();
    Fixture::<dyn EventStore>::new(Arc::new(file.store().await)).guard(file)
}

async fn poisoned() -> Fixture<dyn EventStore> {
    let file = File::new();
    let store = file.store().await;
    let poison = "create trigger poison before insert on events when new.event_type = 'account.poisoned.v1'
                  begin select raise(abort, 'poisoned'); end";
    file.execute(poison).await.unwrap();
    Fixture::<dyn EventStore>::new(Arc::new(store)).guard(file)
}

mod poisoned_events {
    cqrs_testkit::poisoned_event_store_contract!(super::poisoned);
}

async fn snapshot_store() -> Fixture<dyn SnapshotStore> {
    let file = File::new();
    Fixture::<dyn SnapshotStore>::new(Arc::new(file.store().await.snapshots())).guard(file)
}

async fn checkpoint_store() -> Fixture<dyn CheckpointStore> {
    let file = File::new();
    Fixture::<dyn CheckpointStore>::new(Arc::new(file.store().await.checkpoints())).guard(file)
}

async fn dead_letter_store() -> Fixture<dyn DeadLetterStore> {
    let file = File::new();
    Fixture::<dyn DeadLetterStore>::new(Arc::new(file.store().await.dead_letters())).guard(file)
}

mod dead_letters {
    cqrs_testkit::dead_letter_store_contract!(super::dead_letter_store);
}

async fn importing() -> Fixture<dyn ImportingStore> {
    let file = File::new();
    Fixture::<dyn ImportingStore>::new(Arc::new(file.store().await)).guard(file)
}

mod imports {
    cqrs_testkit::import_contract!(super::importing);
}

async fn lease_store() -> Fixture<dyn LeaseStore> {
    let file = File::new();
    Fixture::<dyn LeaseStore>::new(Arc::new(file.store().await.leases())).guard(file)
}

mod leases {
    cqrs_testkit::lease_store_contract!(super::lease_store);
}

async fn typed() -> Fixture<dyn TypedStore> {
    let file = File::new();
    Fixture::<dyn TypedStore>::new(Arc::new(file.store().await)).guard(file)
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

mod checkpoints {
    cqrs_testkit::checkpoint_store_contract!(super::checkpoint_store);
}
