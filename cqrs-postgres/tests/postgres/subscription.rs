//! What wakes readers, and what does not hold them up.

use std::time::Duration;

use cqrs_core::{Append, EventStore, Filter, GlobalPosition};
use sqlx::AssertSqlSafe;

use super::database::{Database, event};

#[tokio::test(flavor = "multi_thread")]
async fn an_append_of_another_process_is_notified() {
    let database = Database::new();
    let writer = database.migrated().await;
    let reader = database.options().poll(Duration::from_secs(3_600)).connect().await.unwrap();
    let mut subscription = reader.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    // The listener starts with the subscription: appends go on until one of them is heard.
    let next = tokio::spawn(async move { subscription.next().await });
    while !next.is_finished() {
        writer.append(Append::new(vec![event("account-1")])).await.unwrap();
    }
    assert!(!next.await.unwrap().unwrap().events.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_listener_delays_nothing_beyond_the_poll() {
    let database = Database::new();
    let writer = database.migrated().await;
    let reader = database.options().poll(Duration::from_millis(20)).connect().await.unwrap();
    let mut subscription = reader.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    let mut connection = database.connection().await;
    let kill = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cqrs:{}' and query ilike 'listen%'",
        database.schema
    );
    for expected in 1..=20 {
        sqlx::raw_sql(AssertSqlSafe(kill.clone())).execute(&mut connection).await.unwrap();
        writer.append(Append::new(vec![event("account-1")])).await.unwrap();
        let page = subscription.next().await.unwrap();
        assert_eq!(page.events.last().unwrap().position.get(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_open_transaction_holds_up_nobody() {
    let database = Database::new();
    let store = database.migrated().await;
    let mut stranger = database.connection().await;
    let open = format!(
        "begin; select pg_current_xact_id(); select count(*) from {0}.events; create temporary table mine (id int)",
        database.schema
    );
    sqlx::raw_sql(AssertSqlSafe(open)).execute(&mut stranger).await.unwrap();
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    for expected in 1..=50 {
        store.append(Append::new(vec![event("account-1")])).await.unwrap();
        let page = subscription.next().await.unwrap();
        assert_eq!(page.events.last().unwrap().position.get(), expected);
    }
}
