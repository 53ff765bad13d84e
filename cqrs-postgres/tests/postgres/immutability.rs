//! Append-only is enforced by the database itself.

use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{Append, EventStore};
use cqrs_postgres::PgOptions;
use sqlx::{Connection, PgConnection};

use super::database::{Database, event};
use super::outbox::{drained, message};
use super::role::Role;

#[tokio::test]
async fn not_even_the_owner_can_change_or_remove_events() {
    let database = Database::new();
    let store = database.migrated().await;
    store.append(Append::new(vec![event("account-1")])).await.unwrap();
    for sql in [
        "update {schema}.events set payload = '{}'",
        "delete from {schema}.events",
        "truncate {schema}.events",
        "update {schema}.events set version = 7 where false",
    ] {
        let error = database.execute(sql).await.expect_err(sql);
        assert!(error.to_string().contains("events are never changed"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_plain_insert_that_would_break_the_order_is_refused() {
    let database = Database::new();
    database.migrated().await;
    let insert =
        "insert into {schema}.events (position, version, recorded_at, event_id, stream, event_type, payload, metadata)
                  values (1, 1, now(), gen_random_uuid(), 'account-1', 'account.opened.v1', '{}', '{}')";
    let error = database.execute(insert).await.unwrap_err();
    assert!(error.to_string().contains("append_events only"), "{error}");
}

#[tokio::test]
async fn a_granted_role_appends_and_reads_and_can_do_nothing_else() {
    let database = Database::new();
    let store = database.migrated().await;
    let role = format!("r{}", &database.schema);
    let _role = Role::create(&database, &role).await;
    store.grant(&role).await.unwrap();
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    let service = PgOptions::new(&url).unwrap().schema(&database.schema).unwrap().connect().await.unwrap();
    service.append(Append::new(vec![event("account-1")])).await.unwrap();
    assert_eq!(service.head().await.unwrap().position.get(), 1);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    service.append_in(&mut transaction, Append::new(vec![event("account-1")])).await.unwrap();
    service.outbox().enqueue(&mut transaction, message("order-1", 1)).await.unwrap();
    transaction.commit().await.unwrap();
    let relay = service.outbox().relay(InMemoryPublisher::new()).start();
    drained(&service.outbox()).await;
    relay.stop().await;
    for sql in ["update {schema}.events set version = 2", "delete from {schema}.events", "truncate {schema}.events"] {
        let as_role = format!("set role {role}; {sql}");
        let error = database.execute(&as_role).await.expect_err(sql);
        assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
    }
}
