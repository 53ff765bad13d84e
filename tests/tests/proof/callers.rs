//! Appends in a transaction of the caller, whose commit may stay without an answer.

use std::collections::HashSet;
use std::time::Duration;

use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{Append, Message, MessageId, MessageKey, Topic};
use cqrs_postgres::PgEventStore;
use cqrs_tests::database::{Database, append, log};
use cqrs_tests::pgbouncer::PgBouncer;
use cqrs_tests::proxy::{Direction, Proxy};
use cqrs_tests::wait::until;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::oneshot;

use super::network::settled;

/// A store, a table of the caller's own, and a proxy that only the caller's transactions go through.
async fn with_table() -> (Database, Proxy, PgEventStore) {
    let database = Database::new();
    let store = database.migrated().await;
    sqlx::raw_sql(database.sql("create table {schema}.transfers (id uuid primary key)"))
        .execute(&mut database.connection().await)
        .await
        .unwrap();
    let proxy = Proxy::before_service(&database.url).await;
    (database, proxy, store)
}

/// A row and an event in one transaction; the row has the event's id.
async fn write(
    database: &Database,
    store: &PgEventStore,
    connection: &mut PgConnection,
    new: &Append,
    before_commit: impl FnOnce(),
) -> bool {
    let mut transaction = connection.begin().await.unwrap();
    let insert = sqlx::query(database.sql("insert into {schema}.transfers values ($1)"));
    insert.persistent(false).bind(new.events[0].id.as_uuid()).execute(&mut *transaction).await.unwrap();
    store.append_in(&mut transaction, new.clone()).await.unwrap();
    before_commit();
    transaction.commit().await.is_ok()
}

/// Whether the row is there.
async fn has_row(database: &Database, new: &Append) -> bool {
    let sql = sqlx::query_scalar(database.sql("select exists (select from {schema}.transfers where id = $1)"));
    sql.bind(new.events[0].id.as_uuid()).fetch_one(&mut database.connection().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outcome_of_the_events_tells_whether_a_commit_without_an_answer_happened() {
    let (database, proxy, store) = with_table().await;
    let (mut written, mut lost) = (0, 0);
    for round in 0..20 {
        let mut connection = PgConnection::connect(&proxy.url(&database.url)).await.unwrap();
        let new = append("account-1");
        // The commit does not arrive, or its answer does not.
        let direction = if round % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
        assert!(!write(&database, &store, &mut connection, &new, || proxy.cut_after(direction, 0)).await);
        let outcome = settled(&store, &new).await;
        assert_eq!(outcome.is_some(), has_row(&database, &new).await, "the row and the event have one fate");
        assert_eq!(outcome.is_some(), direction == Direction::ToClient);
        if outcome.is_some() {
            written += 1
        } else {
            lost += 1
        }
        assert_eq!(log(&store).await.len(), written);
    }
    assert_eq!((written, lost), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_waits_for_a_commit_that_is_still_on_its_way() {
    let (database, proxy, store) = with_table().await;
    let mut connection = PgConnection::connect(&proxy.url(&database.url)).await.unwrap();
    let new = append("account-1");
    let (written, writing) = oneshot::channel();
    let (commit, committing) = oneshot::channel::<()>();
    let caller = tokio::spawn({
        let (store, new) = (store.clone(), new.clone());
        let insert = database.sql("insert into {schema}.transfers values ($1)");
        async move {
            let mut transaction = connection.begin().await.unwrap();
            sqlx::query(insert).bind(new.events[0].id.as_uuid()).execute(&mut *transaction).await.unwrap();
            store.append_in(&mut transaction, new).await.unwrap();
            written.send(()).unwrap();
            committing.await.unwrap();
            transaction.commit().await
        }
    });
    writing.await.unwrap();
    let held = proxy.hold();
    commit.send(()).unwrap();
    until("the commit is on its way", || async { (held.bytes() > 0).then_some(()) }).await;
    let asking = tokio::spawn({
        let (store, new) = (store.clone(), new.clone());
        async move { settled(&store, &new).await }
    });
    let mut watching = database.connection().await;
    database.appender(&mut watching, "wait_event_type = 'Lock'").await;
    assert!(!asking.is_finished());
    held.release();
    caller.await.unwrap().unwrap();
    assert!(asking.await.unwrap().is_some());
    assert!(has_row(&database, &new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_transaction_may_go_through_a_pooler() {
    let (database, _proxy, _direct) = with_table().await;
    let pooler = PgBouncer::before_database(&database.url).await;
    let url = pooler.url(&database.url);
    let options = database.options_at(&url).behind_pooler(true).poll(Duration::from_millis(20));
    let store = options.connect().await.unwrap();
    // What a pooler in transaction mode asks of its clients.
    let own: PgConnectOptions = url.parse().unwrap();
    let own = own.extra_float_digits(None).statement_cache_capacity(0);
    let mut connections = Vec::new();
    for _ in 0..6 {
        connections.push(own.connect().await.unwrap());
    }
    for round in 0..5 {
        for connection in &mut connections {
            assert!(write(&database, &store, connection, &append(&format!("account-{round}")), || ()).await);
        }
    }
    assert_eq!(log(&store).await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_works_through_a_pooler_also_when_that_is_killed() {
    let (database, _proxy, _direct) = with_table().await;
    let mut pooler = PgBouncer::before_database(&database.url).await;
    let url = pooler.url(&database.url);
    let options = database.options_at(&url).behind_pooler(true).poll(Duration::from_millis(20));
    let outbox = options.connect().await.unwrap().outbox();
    let broker = InMemoryPublisher::new();
    let lease = Duration::from_millis(500);
    let relays = [(); 2].map(|()| outbox.relay(broker.clone()).batch(3).lease(lease).start());
    let own: PgConnectOptions = url.parse().unwrap();
    let own = own.extra_float_digits(None).statement_cache_capacity(0);
    let mut expected: Vec<Vec<MessageId>> = vec![Vec::new(); 3];
    for _ in 0..3 {
        let mut connection = own.connect().await.unwrap();
        for _ in 0..10 {
            for (key, expected) in expected.iter_mut().enumerate() {
                let message = Message::new(Topic::new("shop.order.placed").unwrap(), "{}");
                let message = message.with_key(MessageKey::new(format!("order-{key}")).unwrap());
                let mut transaction = connection.begin().await.unwrap();
                outbox.enqueue(&mut transaction, message.clone()).await.unwrap();
                transaction.commit().await.unwrap();
                expected.push(message.id);
            }
        }
        pooler.kill();
        pooler.start_again(&database.url).await;
    }
    until("everything is published", || async { (outbox.status().await.ok()?.pending == 0).then_some(()) }).await;
    for relay in relays {
        relay.stop().await;
    }
    let mut known = HashSet::new();
    let mut published: Vec<Vec<MessageId>> = vec![Vec::new(); 3];
    for message in broker.published().iter().filter(|message| known.insert(message.id)) {
        let key = message.key.as_ref().unwrap().as_str().strip_prefix("order-").unwrap();
        published[key.parse::<usize>().unwrap()].push(message.id);
    }
    assert_eq!(published, expected, "every key in commit order");
}
