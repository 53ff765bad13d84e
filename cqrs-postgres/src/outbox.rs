//! The outbox: messages that are written in the caller's own transaction and published once it is committed.

use cqrs_core::{Message, MessageId, Publisher, StoreError};
use sqlx::{Postgres, Row, Transaction};

mod enqueue;
mod lanes;
mod relay;
mod settlement;
mod status;

pub use enqueue::{EnqueueError, Enqueued};
pub use relay::{OutboxRelay, RunningRelay};
pub use status::{OutboxStatus, ParkedMessage};

use crate::error::store_error;
use crate::event_store::PgEventStore;
use settlement::storable;

/// Messages for other systems, written together with rows of ordinary tables: no aggregate, no event and no append lock is
/// needed. What events lead to needs no outbox, as the log is one.
///
/// # Guarantees
/// - **All or nothing**: a message is published when the transaction that [enqueued](Self::enqueue) it was committed, and
///   never when it was rolled back.
/// - **At least once**: a [relay](Self::relay) that ends between publishing and marking publishes again. Messages carry an
///   id by which consumers recognise that.
/// - **Ordered by key**: a key has one order, in which its transactions commit, and in which its messages were enqueued
///   within a transaction. A message is not published before those that precede it were published or
///   [discarded](Self::discard), however many relays there are. Only repetitions may come out of order: those of a call to
///   the publisher that was given up, or of a relay that was cut off for longer than its lease.
/// - **Independent**: a message that cannot be published holds up those of its key, and no other. A transaction that stays
///   open holds up nothing but later transactions which enqueue for the same keys.
///
/// ```no_run
/// # use cqrs_core::{Message, MessageKey, Publisher, Topic};
/// # use cqrs_postgres::PgEventStore;
/// # async fn example(pool: sqlx::PgPool, broker: impl Publisher) -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = PgEventStore::connect("postgres://localhost/shop").await?.outbox();
/// let relay = outbox.relay(broker).start();
///
/// let mut transaction = pool.begin().await?;
/// sqlx::query("update orders set state = 'confirmed' where id = 42").execute(&mut *transaction).await?;
/// let message = Message::json(Topic::new("shop.order.confirmed")?, &serde_json::json!({ "order": 42 }))?;
/// outbox.enqueue(&mut transaction, message.with_key(MessageKey::new("order-42")?)).await?;
/// transaction.commit().await?;
///
/// relay.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PgOutbox {
    store: PgEventStore,
}

impl PgEventStore {
    /// The outbox beside these events, in the same schema.
    #[must_use]
    pub fn outbox(&self) -> PgOutbox {
        PgOutbox { store: self.clone() }
    }
}

impl PgOutbox {
    /// Writes a message in the caller's transaction. The same message again, under the same id, writes nothing; that holds
    /// until it was published and [removed](OutboxRelay::retention).
    ///
    /// Until the transaction ends, others that enqueue for the same key wait; nobody else does. Who enqueues for several keys
    /// should do so [at once](Self::enqueue_all), or in one order: two transactions that wait for each other are a deadlock,
    /// of which PostgreSQL ends one.
    ///
    /// After a refusal ([`MessageIdReused`](EnqueueError::MessageIdReused), [`TooLarge`](EnqueueError::TooLarge), …) the
    /// transaction is as it was; after [`Transient`](EnqueueError::Transient) roll it back and run it again.
    ///
    /// # Errors
    /// See [`EnqueueError`]: each variant is a decision for the caller.
    pub async fn enqueue(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        message: Message,
    ) -> Result<Enqueued, EnqueueError> {
        self.enqueue_all(transaction, vec![message]).await
    }

    /// Writes messages in their order, in one round trip; 1,000 at most. Otherwise as [`enqueue`](Self::enqueue).
    ///
    /// # Errors
    /// See [`EnqueueError`]; then none was written.
    pub async fn enqueue_all(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        messages: Vec<Message>,
    ) -> Result<Enqueued, EnqueueError> {
        enqueue::enqueue(&self.store, transaction, &messages).await
    }

    /// What publishes the messages: any number of relays, in as many processes, share the work.
    pub fn relay(&self, publisher: impl Publisher) -> OutboxRelay {
        OutboxRelay::new(self.store.clone(), std::sync::Arc::new(publisher))
    }

    /// How many messages wait, and for how long. It counts them: its time grows with the backlog.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn status(&self) -> Result<OutboxStatus, StoreError> {
        let sql = self.store.sql();
        let row = self.store.sessions().fetch_optional(sql.query(&sql.outbox_status)).await.map_err(store_error)?;
        row.map_or(Ok(OutboxStatus::default()), |row| status::status(&row)).map_err(store_error)
    }

    /// Messages that could not be published, oldest first, up to so many. Each is the first of its key: those behind it
    /// are pending.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn parked(&self, limit: usize) -> Result<Vec<ParkedMessage>, StoreError> {
        let sql = self.store.sql();
        let query = sql.query(&sql.parked_messages).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.store.sessions().fetch_all(query).await.map_err(store_error)?;
        rows.iter().map(status::parked).collect::<Result<_, _>>().map_err(store_error)
    }

    /// Lets a parked message be tried again, with all of its attempts; `false` when no such message is parked.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn retry(&self, id: MessageId) -> Result<bool, StoreError> {
        Ok(self.unpark(Some(id)).await? > 0)
    }

    /// Lets all parked messages be tried again: how many there are.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn retry_all(&self) -> Result<u64, StoreError> {
        self.unpark(None).await
    }

    /// Gives a parked message up for good, and lets those behind it go on; `false` when no such message is parked. It is
    /// kept with the reason for as long as published ones are.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn discard(&self, id: MessageId, reason: &str) -> Result<bool, StoreError> {
        let sql = self.store.sql();
        let query = sql.query(&sql.discard_message).bind(id.as_uuid()).bind(storable(reason));
        Ok(self.count(query).await? > 0)
    }

    async fn unpark(&self, id: Option<MessageId>) -> Result<u64, StoreError> {
        let sql = self.store.sql();
        self.count(sql.query(&sql.retry_messages).bind(id.map(|id| id.as_uuid()))).await
    }

    async fn count(&self, query: crate::statements::PgQuery<'_>) -> Result<u64, StoreError> {
        let row = self.store.sessions().fetch_optional(query).await.map_err(store_error)?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(store_error)?;
        Ok(count.unsigned_abs())
    }
}
