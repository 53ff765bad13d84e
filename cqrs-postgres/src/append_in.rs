//! Appends in the caller's own SQL transaction.

use cqrs_core::append_queue::EncodedAppend;
use cqrs_core::{Append, AppendError, Appended, Failure, StoreError, StoreId};
use sqlx::{Postgres, Row, Transaction};
use uuid::Uuid;

use crate::append_queue::write_locked;
use crate::error::{Meaning, explain, meaning};
use crate::event_store::PgEventStore;
use crate::transaction::UnfitTransaction;

impl PgEventStore {
    /// Writes the events in the caller's own transaction, when all conditions hold: they are committed together with what
    /// else the caller writes to tables of the same database, or not at all.
    ///
    /// The rules are those of [`append`](cqrs_core::EventStore::append), and so are the errors. Besides:
    ///
    /// - **The answer holds once the caller commits.** Until then no reader sees the events, and a rollback leaves nothing
    ///   of them; the positions go to somebody else then.
    /// - **All other appends to the store wait until the transaction ends**, those of other processes included, also when
    ///   this one was refused. Call it last, right before the commit, and give the session an `idle_in_transaction_session_timeout`: the server then
    ///   frees the lock when the caller stops in between. To wait for the lock itself takes the store's
    ///   [append timeout](crate::PgOptions::append_timeout) at most, or the transaction's own `lock_timeout`.
    /// - **Call it last** also for another reason: who holds rows that the holder of the lock wants, and then waits for the
    ///   lock, is in a deadlock. PostgreSQL ends one of the two: that is [`Transient`](AppendError::Transient).
    /// - **A refusal leaves the transaction as it was**: after [`Conflict`](AppendError::Conflict),
    ///   [`Archived`](AppendError::Archived), [`Claimed`](AppendError::Claimed),
    ///   [`EventIdReused`](AppendError::EventIdReused) and [`Invalid`](AppendError::Invalid) the caller may go on in it and
    ///   commit. After [`Transient`](AppendError::Transient) roll back and run the whole transaction again.
    /// - **A commit without an answer** may have happened: [`outcome`](cqrs_core::EventStore::outcome) of the event ids tells,
    ///   for everything in the transaction.
    /// - The transaction must be under `read committed`, which is the default of PostgreSQL. It may run through a pooler
    ///   when the store was told so: [`PgOptions::behind_pooler`](crate::PgOptions::behind_pooler).
    ///
    /// ```no_run
    /// # use cqrs_core::{Append, EventStore, ExpectedVersion, Handle, NewEvent, Repository, StreamName};
    /// # use cqrs_postgres::PgEventStore;
    /// # use cqrs_testkit::sample::{Account, AccountId, Withdraw};
    /// # async fn example(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PgEventStore::connect("postgres://localhost/bank").await?;
    /// let id = AccountId::new("ACC-001");
    /// let account = Repository::<Account>::new(store.clone()).load(&id).await?.expect("it was opened");
    /// let happened = account.state.handle(&Withdraw { amount: 300_000 })?;
    ///
    /// let stream = StreamName::of("account", &id)?;
    /// let events = happened.iter().map(|event| NewEvent::encode(stream.clone(), event)).collect::<Result<_, _>>()?;
    /// let append = Append::new(events).expect(stream, ExpectedVersion::Exact(account.version));
    /// let event_ids = append.event_ids();
    ///
    /// let mut transaction = pool.begin().await?;
    /// sqlx::query("update transfers set state = 'paid' where id = 7").execute(&mut *transaction).await?;
    /// store.append_in(&mut transaction, append).await?; // a conflict: roll back, load, decide again
    /// if transaction.commit().await.is_err() {
    ///     let is_committed = store.outcome(&event_ids).await?.is_some();
    ///     # let _ = is_committed;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`AppendError`]; never [`Unknown`](AppendError::Unknown), as nothing is written before the caller commits.
    /// [`Permanent`](AppendError::Permanent) holds an [`UnfitTransaction`] where the transaction is to blame.
    pub async fn append_in(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        append: Append,
    ) -> Result<Appended, AppendError> {
        append.check(&self.limits())?;
        let append = EncodedAppend::new(append)?;
        let expected = self.id().await.map_err(unidentified)?;
        let sql = self.sql();
        let wait = i32::try_from(self.append_timeout().as_millis()).unwrap_or(i32::MAX).max(1);
        let lock = sql.query(&sql.lock_in).bind(expected.as_uuid()).bind(i64::from(wait));
        let locked = lock.fetch_one(&mut **transaction).await.map_err(append_error)?;
        let actual = StoreId::from_uuid(locked.try_get::<Uuid, _>(0).map_err(append_error)?);
        let isolation: String = locked.try_get(1).map_err(append_error)?;
        if actual != expected {
            return Err(AppendError::Permanent(Failure::new(UnfitTransaction::OtherStore { actual, expected })));
        }
        if isolation != "read committed" {
            return Err(AppendError::Permanent(Failure::new(UnfitTransaction::Isolation { isolation })));
        }
        let outcomes = write_locked(transaction, sql, &[&append]).await.map_err(append_error)?;
        let missing = || Err(AppendError::Permanent(Failure::new("the append was not decided")));
        outcomes.into_iter().next().unwrap_or_else(missing)
    }
}

/// Nothing is written for good before the caller commits: also when no answer came.
fn append_error(error: sqlx::Error) -> AppendError {
    match meaning(&error) {
        Meaning::NoAnswer | Meaning::Transient => AppendError::Transient(Failure::new(error)),
        Meaning::Unique | Meaning::Permanent => AppendError::Permanent(Failure::new(explain(error))),
    }
}

fn unidentified(error: StoreError) -> AppendError {
    match error.is_transient() {
        true => AppendError::Transient(Failure::new(error)),
        false => AppendError::Permanent(Failure::new(error)),
    }
}
