//! What the tests of the outbox share: messages, and what a broker was given.

use std::collections::{BTreeMap, HashSet};

use cqrs_core::in_memory::InMemoryPublisher;
use cqrs_core::{Message, MessageId, MessageKey, Topic};
use cqrs_postgres::{Enqueued, OutboxStatus, PgEventStore, PgOutbox};
use sqlx::{Connection, PgConnection};

use super::database::Database;

pub fn message(key: &str, payload: impl ToString) -> Message {
    let topic = Topic::new("shop.order.placed").unwrap();
    Message::new(topic, payload.to_string()).with_key(MessageKey::new(key).unwrap())
}

/// A store whose readers and relays look again soon.
pub async fn fresh() -> (Database, PgEventStore, PgOutbox) {
    let database = Database::new();
    database.migrated().await;
    let store = database.options().poll(std::time::Duration::from_millis(20)).connect().await.unwrap();
    let outbox = store.outbox();
    (database, store, outbox)
}

/// Messages in a transaction of their own.
pub async fn commit(outbox: &PgOutbox, connection: &mut PgConnection, messages: Vec<Message>) -> Enqueued {
    let mut transaction = connection.begin().await.unwrap();
    let enqueued = outbox.enqueue_all(&mut transaction, messages).await.unwrap();
    transaction.commit().await.unwrap();
    enqueued
}

/// Waits until nothing is left to be published.
pub async fn drained(outbox: &PgOutbox) -> OutboxStatus {
    loop {
        let status = outbox.status().await.unwrap();
        if status.pending == 0 {
            return status;
        }
    }
}

/// Waits until a broker was given so many messages.
pub async fn until_published(broker: &InMemoryPublisher, count: usize) -> Vec<Message> {
    loop {
        let published = broker.published();
        if published.len() >= count {
            return published;
        }
        tokio::task::yield_now().await;
    }
}

/// The payloads of each key, each message when it came for the first time.
pub fn first_by_key(published: &[Message]) -> BTreeMap<String, Vec<String>> {
    let mut known: HashSet<MessageId> = HashSet::new();
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in published.iter().filter(|message| known.insert(message.id)) {
        let key = message.key.as_ref().map_or_else(String::new, ToString::to_string);
        by_key.entry(key).or_default().push(text(message));
    }
    by_key
}

pub fn text(message: &Message) -> String {
    String::from_utf8(message.payload.to_vec()).unwrap()
}

pub fn texts(published: &[Message]) -> Vec<String> {
    published.iter().map(text).collect()
}
