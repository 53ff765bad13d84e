//! Migrations run on request, once.

use cqrs_core::{Append, AppendError, EventStore, StoreError};

use sqlx::{AssertSqlSafe, Row};

use super::database::{Database, event, message};

#[tokio::test]
async fn starters_at_the_same_time_do_not_collide() {
    let database = Database::new();
    let store = database.store().await;
    let starters = futures::future::join_all((0..8).map(|_| async {
        let own = database.store().await;
        own.migrate().await
    }));
    for done in starters.await {
        done.unwrap();
    }
    let first = store.head().await.unwrap().store_id;
    store.migrate().await.unwrap();
    assert_eq!(store.head().await.unwrap().store_id, first, "migrating again changes nothing");
}

/// Whatever a later migration makes of it.
#[tokio::test]
async fn the_append_function_brings_its_own_plans() {
    let database = Database::new();
    database.migrated().await;
    let mut connection = database.connection().await;
    let sql = format!(
        "select proconfig from pg_proc where proname = 'append_events' and pronamespace = '{}'::regnamespace",
        database.schema
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap();
    let settings: Vec<String> = row.get(0);
    for setting in ["plan_cache_mode=force_generic_plan", "enable_seqscan=off", "enable_bitmapscan=off", "jit=off"] {
        assert!(settings.iter().any(|one| one == setting), "{setting}: {settings:?}");
    }
}

#[tokio::test]
async fn a_schema_that_was_not_migrated_is_told_as_such() {
    let database = Database::new();
    let store = database.store().await;
    let error = store.append(Append::new(vec![event("account-1")])).await.unwrap_err();
    assert!(matches!(error, AppendError::Permanent(_)), "{error:?}");
    assert!(message(&error).contains("call PgEventStore::migrate()"), "{}", message(&error));
    let error = store.head().await.unwrap_err();
    assert!(matches!(error, StoreError::Permanent(_)), "{error:?}");
    assert!(message(&error).contains("call PgEventStore::migrate()"), "{}", message(&error));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_transient_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error =
        cqrs_postgres::PgEventStore::connect(&format!("postgres://nobody@127.0.0.1:{closed}/none")).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}
