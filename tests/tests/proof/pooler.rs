//! Behind the real PgBouncer in transaction mode, which lends a session for one transaction at a time.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{CheckpointStore, EventStore, Filter, GlobalPosition, SnapshotStore};
use cqrs_postgres::{MigrateError, PgEventStore, PgOptions};
use cqrs_testkit::{Fixture, ImportingStore};
use cqrs_tests::database::{Database, append, log};
use cqrs_tests::pgbouncer::PgBouncer;
use cqrs_tests::proxy::Proxy;
use cqrs_tests::wait::until;

use super::network::settled;
use super::witness::Witness;

/// What a pooled store needs to stay: the pooler goes before the database.
type Guard = (PgBouncer, Database);

async fn behind_pooler() -> (Guard, PgEventStore) {
    let database = Database::new();
    database.migrated().await;
    let pooler = PgBouncer::before_database(&database.url).await;
    let store = options(&database, &pooler.url(&database.url)).connect().await.unwrap();
    ((pooler, database), store)
}

fn options(database: &Database, url: &str) -> PgOptions {
    database.options_at(url).behind_pooler(true).poll(Duration::from_millis(20))
}

async fn event_store() -> Fixture<dyn EventStore> {
    let (guard, store) = behind_pooler().await;
    Fixture::<dyn EventStore>::new(Arc::new(store)).guard(guard)
}

async fn snapshot_store() -> Fixture<dyn SnapshotStore> {
    let (guard, store) = behind_pooler().await;
    Fixture::<dyn SnapshotStore>::new(Arc::new(store.snapshots())).guard(guard)
}

async fn checkpoint_store() -> Fixture<dyn CheckpointStore> {
    let (guard, store) = behind_pooler().await;
    Fixture::<dyn CheckpointStore>::new(Arc::new(store.checkpoints())).guard(guard)
}

async fn importing() -> Fixture<dyn ImportingStore> {
    let (guard, store) = behind_pooler().await;
    Fixture::<dyn ImportingStore>::new(Arc::new(store)).guard(guard)
}

mod imports {
    cqrs_testkit::import_contract!(super::importing);
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

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_share_a_few_sessions_see_each_other() {
    let ((pooler, database), one) = behind_pooler().await;
    let url = pooler.url(&database.url);
    let stores = futures::future::join_all((0..6).map(|_| options(&database, &url).connect())).await;
    let mut subscription = one.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    for (expected, store) in (1..).zip(stores) {
        store.unwrap().append(append("account-1")).await.unwrap();
        let page = subscription.next().await.unwrap();
        assert_eq!(page.events.last().unwrap().position.get(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_asks_for_a_direct_connection() {
    let (_guard, store) = behind_pooler().await;
    assert!(matches!(store.migrate().await, Err(MigrateError::Pooler)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_is_killed_under_load_loses_and_doubles_nothing() {
    let ((mut pooler, database), store) = behind_pooler().await;
    let witness = Witness::start(&store, 8);
    for _ in 0..5 {
        witness.acknowledged(100).await;
        pooler.kill();
        pooler.start_again(&database.url).await;
    }
    witness.acknowledged(100).await;
    let verdict = witness.verdict(&database.options().connect().await.unwrap()).await;
    verdict.assert_sound();
    assert_eq!(verdict.attempted, verdict.acknowledged, "callers had nothing but to wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_stays_so_when_the_original_reaches_the_pooler_later() {
    let ((pooler, database), direct) = {
        let (guard, _) = behind_pooler().await;
        let direct = guard.1.options().connect().await.unwrap();
        (guard, direct)
    };
    let url = pooler.url(&database.url);
    let proxy = Proxy::before_service(&url).await;
    let options = options(&database, &proxy.url(&url)).attempt_timeout(Duration::from_millis(400));
    let store = options.append_timeout(Duration::from_millis(300)).connect().await.unwrap();
    let mut watching = database.connection().await;
    let mut written = 0;
    for round in 0..6 {
        proxy.delay(Duration::ZERO);
        store.append(append("account-1")).await.unwrap();
        written += 1;
        // Slow enough to be caught in the middle of its transaction; every other time before it begins.
        proxy.delay(Duration::from_millis(20));
        let late = append("account-1");
        let sending = tokio::spawn({
            let (store, late) = (store.clone(), late.clone());
            async move { store.append(late).await }
        });
        if round % 2 == 0 {
            database.appender(&mut watching, "state = 'idle in transaction'").await;
        }
        let held = proxy.hold();
        assert!(sending.await.unwrap().is_err(), "no answer comes through");
        let outcome = settled(&store, &late).await;
        held.release();
        proxy.delay(Duration::ZERO);
        until("what was held has arrived", || async { (proxy.connections() <= 3).then_some(()) }).await;
        assert_eq!(settled(&store, &late).await.map(|it| it.position), outcome.as_ref().map(|it| it.position));
        written += usize::from(outcome.is_some());
        assert_eq!(log(&direct).await.len(), written);
    }
}
