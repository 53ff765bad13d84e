//! Messages in the caller's own transaction.

use std::error::Error;

use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{Failure, Message, MessageId, Topic};
use cqrs_postgres::{EnqueueError, Enqueued, UnfitTransaction};
use sqlx::{Connection, PgConnection};

use super::append_in::{OtherDatabase, until_waiting};
use super::outbox::{commit, drained, first_by_key, fresh, message, texts};

const ONE: Enqueued = Enqueued { written: 1, repeated: 0 };
const AGAIN: Enqueued = Enqueued { written: 0, repeated: 1 };

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_as_it_was_enqueued() {
    let (database, _store, outbox) = fresh().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let with_all = Message::new(Topic::new("shop.order.placed").unwrap(), bytes)
        .with_key("order 'é'".parse().unwrap())
        .header("note", "\u{e9}\0\"")
        .header("type", "order.placed");
    let bare = Message::new(Topic::new("t").unwrap(), Vec::new());
    let mut connection = database.connection().await;
    assert_eq!(commit(&outbox, &mut connection, vec![with_all.clone()]).await, ONE);
    assert_eq!(commit(&outbox, &mut connection, vec![bare.clone()]).await, ONE);
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    drained(&outbox).await;
    relay.stop().await;
    let mut published = broker.published();
    published.sort_by_key(|message| message.key.is_none());
    assert_eq!(published, [with_all, bare]);
}

#[tokio::test]
async fn the_same_message_again_writes_nothing_also_after_it_was_published() {
    let (database, _store, outbox) = fresh().await;
    let mut connection = database.connection().await;
    let (one, other) = (message("order-1", 1), message("order-1", 2));
    let mut transaction = connection.begin().await.unwrap();
    assert_eq!(outbox.enqueue(&mut transaction, one.clone()).await.unwrap(), ONE);
    assert_eq!(outbox.enqueue(&mut transaction, one.clone()).await.unwrap(), AGAIN);
    transaction.commit().await.unwrap();
    let both = commit(&outbox, &mut connection, vec![one.clone(), other.clone()]).await;
    assert_eq!(both, Enqueued { written: 1, repeated: 1 });
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    drained(&outbox).await;
    assert_eq!(commit(&outbox, &mut connection, vec![one]).await, AGAIN);
    commit(&outbox, &mut connection, vec![message("order-1", 3)]).await;
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(texts(&broker.published()), ["1", "2", "3"]);
}

#[tokio::test]
async fn after_a_refusal_the_transaction_goes_on() {
    let (database, _store, outbox) = fresh().await;
    let mut connection = database.connection().await;
    let known = message("order-1", 1);
    commit(&outbox, &mut connection, vec![known.clone()]).await;
    let mut transaction = connection.begin().await.unwrap();
    let reused = [
        message("order-1", 2).with_id(known.id),
        message("order-2", 1).with_id(known.id),
        known.clone().header("more", "1"),
        Message::new(known.topic.clone(), known.payload.clone()).with_id(known.id),
        Message::new(Topic::new("t").unwrap(), known.payload.clone())
            .with_key("order-1".parse().unwrap())
            .with_id(known.id),
    ];
    for other in reused {
        let error = outbox.enqueue_all(&mut transaction, vec![message("order-3", 1), other]).await.unwrap_err();
        assert!(matches!(error, EnqueueError::MessageIdReused { id } if id == known.id), "{error:?}");
    }
    let twice = message("order-3", 2);
    let error = outbox.enqueue_all(&mut transaction, vec![twice.clone(), twice.clone()]).await.unwrap_err();
    assert!(matches!(error, EnqueueError::RepeatedMessageId { id } if id == twice.id), "{error:?}");
    let large = message("order-3", "x".repeat((1 << 20) - 1));
    let error = outbox.enqueue(&mut transaction, large).await.unwrap_err();
    let limit = 1 << 20;
    assert!(matches!(error, EnqueueError::TooLarge { bytes, limit: most, .. } if bytes == limit + 1 && most == limit));
    let many = (0..1_001).map(|number| message("order-3", number)).collect();
    let error = outbox.enqueue_all(&mut transaction, many).await.unwrap_err();
    assert!(matches!(error, EnqueueError::TooManyMessages { count: 1_001, limit: 1_000 }), "{error:?}");
    outbox.enqueue(&mut transaction, message("order-4", 1)).await.unwrap();
    transaction.commit().await.unwrap();
    let status = outbox.status().await.unwrap();
    assert_eq!((status.pending, status.parked), (2, 0));
    assert!(status.oldest_pending.is_some());
}

#[tokio::test]
async fn a_transaction_in_the_database_of_another_store_is_told_so() {
    let (database, store, outbox) = fresh().await;
    let elsewhere = OtherDatabase::create(&database).await;
    let other = elsewhere.0.migrated().await;
    let mut connection = elsewhere.0.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    let error = outbox.enqueue(&mut transaction, message("order-1", 1)).await.unwrap_err();
    let EnqueueError::Permanent(failure) = &error else { panic!("{error:?}") };
    let unfit = failure.inner().downcast_ref::<UnfitTransaction>();
    assert!(matches!(unfit, Some(UnfitTransaction::OtherStore { .. })), "{error:?}");
    transaction.commit().await.unwrap();
    assert_eq!(other.outbox().status().await.unwrap(), store.outbox().status().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_with_different_keys_wait_neither_for_each_other_nor_for_appends() {
    let (database, _store, outbox) = fresh().await;
    let _appending = database.hold_lock().await;
    let (mut one, mut other) = (database.connection().await, database.connection().await);
    let (mut first, mut second) = (one.begin().await.unwrap(), other.begin().await.unwrap());
    outbox.enqueue(&mut first, message("order-1", 1)).await.unwrap();
    outbox.enqueue(&mut second, message("order-2", 1)).await.unwrap();
    let without_key = || Message::new(Topic::new("t").unwrap(), "1");
    outbox.enqueue(&mut first, without_key()).await.unwrap();
    outbox.enqueue(&mut second, without_key()).await.unwrap();
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(outbox.status().await.unwrap().pending, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_one_key_commit_in_the_order_in_which_they_are_published() {
    let (database, _store, outbox) = fresh().await;
    let (mut one, mut other, mut watching) =
        (database.connection().await, database.connection().await, database.connection().await);
    let name = format!("second-{}", database.schema);
    sqlx::query("select set_config('application_name', $1, false)").bind(&name).execute(&mut other).await.unwrap();
    let mut first = one.begin().await.unwrap();
    outbox.enqueue(&mut first, message("order-1", 1)).await.unwrap();
    let second = tokio::spawn({
        let outbox = outbox.clone();
        async move { commit(&outbox, &mut other, vec![message("order-1", 3)]).await }
    });
    until_waiting(&mut watching, &name).await;
    outbox.enqueue(&mut first, message("order-1", 2)).await.unwrap();
    assert!(!second.is_finished());
    first.commit().await.unwrap();
    second.await.unwrap();
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(texts(&broker.published()), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_keys_at_once_are_never_a_deadlock_whatever_their_order() {
    let (database, _store, outbox) = fresh().await;
    let writers = (0..8).map(|writer| {
        let (outbox, url) = (outbox.clone(), database.url.clone());
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            for round in 0..20 {
                let mut keys = ["order-1", "order-2", "order-3", "order-4"];
                keys.rotate_left((writer + round) % 4);
                commit(&outbox, &mut connection, keys.map(|key| message(key, round)).to_vec()).await;
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(outbox.status().await.unwrap().pending, 8 * 20 * 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_of_transactions_that_take_keys_one_by_one_is_transient() {
    let (database, _store, outbox) = fresh().await;
    let (mut one, mut other, mut watching) =
        (database.connection().await, database.connection().await, database.connection().await);
    // The one that looks for deadlocks first is the one that is ended.
    sqlx::raw_sql("set deadlock_timeout = '1h'").execute(&mut one).await.unwrap();
    sqlx::raw_sql("set deadlock_timeout = '1ms'").execute(&mut other).await.unwrap();
    let name = format!("first-{}", database.schema);
    sqlx::query("select set_config('application_name', $1, false)").bind(&name).execute(&mut one).await.unwrap();
    let mut last = other.begin().await.unwrap();
    outbox.enqueue(&mut last, message("order-2", 1)).await.unwrap();
    let first = tokio::spawn({
        let outbox = outbox.clone();
        async move {
            let mut first = one.begin().await.unwrap();
            outbox.enqueue(&mut first, message("order-1", 1)).await.unwrap();
            outbox.enqueue(&mut first, message("order-2", 2)).await.unwrap();
            first.commit().await.unwrap();
        }
    });
    until_waiting(&mut watching, &name).await;
    let error = outbox.enqueue(&mut last, message("order-1", 2)).await.unwrap_err();
    assert!(matches!(error, EnqueueError::Transient(_)), "{error:?}");
    last.rollback().await.unwrap();
    first.await.unwrap();
    assert_eq!(outbox.status().await.unwrap().pending, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_that_two_transactions_enqueue_at_once_is_written_once() {
    let (database, _store, outbox) = fresh().await;
    let broker = InMemoryPublisher::new();
    let relay = outbox.relay(broker.clone()).start();
    for round in 0..20 {
        let same = Message::new(Topic::new("t").unwrap(), round.to_string());
        let writers = (0..4).map(|_| {
            let (outbox, url, same) = (outbox.clone(), database.url.clone(), same.clone());
            tokio::spawn(async move {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                commit(&outbox, &mut connection, vec![same]).await.written
            })
        });
        let written: usize = futures::future::join_all(writers).await.into_iter().map(Result::unwrap).sum();
        assert_eq!(written, 1);
    }
    drained(&outbox).await;
    relay.stop().await;
    assert_eq!(broker.published().len(), 20);
    assert_eq!(first_by_key(&broker.published())[""].len(), 20);
}

#[tokio::test]
async fn enqueueing_works_under_every_isolation() {
    let (database, _store, outbox) = fresh().await;
    let mut connection = database.connection().await;
    for isolation in ["begin isolation level repeatable read", "begin isolation level serializable"] {
        let mut transaction = connection.begin_with(isolation).await.unwrap();
        outbox.enqueue(&mut transaction, message("order-1", isolation)).await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert_eq!(outbox.status().await.unwrap().pending, 2);
}

#[tokio::test]
async fn the_errors_of_a_caller_say_what_to_do() {
    let (database, _store, outbox) = fresh().await;
    let mut connection = database.connection().await;
    let mut transaction = connection.begin().await.unwrap();
    sqlx::raw_sql("select 1/0").execute(&mut *transaction).await.unwrap_err();
    let error = outbox.enqueue(&mut transaction, message("order-1", 1)).await.unwrap_err();
    let EnqueueError::Permanent(failure) = &error else { panic!("{error:?}") };
    assert!(failure.to_string().contains("transaction is aborted"), "{failure}: {:?}", Failure::source(failure));
    assert!(!outbox.retry(MessageId::new()).await.unwrap());
    assert!(!outbox.discard(MessageId::new(), "never was").await.unwrap());
    assert_eq!(outbox.retry_all().await.unwrap(), 0);
    assert_eq!(outbox.parked(10).await.unwrap(), []);
}
