//! Dead letters of projections, in tables beside the events.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{
    DeadLetter, DeadLetterCount, DeadLetterFailure, DeadLetterId, DeadLetterOwner, DeadLetterPage, DeadLetterState,
    DeadLetterStore, Discarded, Generation, GlobalPosition, ListDeadLetters, NewDeadLetter, ParkedDocuments,
    ProjectionName, StoreError, Target, Timestamp,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use uuid::Uuid;

mod columns;

use crate::connection::{Statement, WriteConnection};
use crate::error::store_error;
use crate::row::{corrupt, position};
use crate::statements::{
    COUNT_DEAD_LETTERS, DEAD_LETTER_FAILED, DEAD_LETTER_OWNER, DISCARD_DEAD_LETTER, DOCUMENTS_TO_REPLAY,
    FIND_DEAD_LETTER, KEEP_DEAD_LETTERS, LIST_DEAD_LETTERS, NOTE_REMOVAL, PARKED_DOCUMENTS, PARTITIONS_TO_REPLAY,
    REMOVE_DEAD_LETTERS, REPLAY_DEAD_LETTERS, RETAIN_DEAD_LETTER_MARKS, RETAIN_DEAD_LETTER_OWNERS, RETAIN_DEAD_LETTERS,
    TAKE_DEAD_LETTERS_OVER, UNMARK_DEAD_LETTERS, WAITING_DEAD_LETTERS,
};
use columns::{json, letter};

/// The dead letters that belong to a [`SqliteEventStore`](crate::SqliteEventStore).
#[derive(Debug, Clone)]
pub struct SqliteDeadLetterStore {
    pub(crate) pool: SqlitePool,
    pub(crate) writes: Arc<WriteConnection>,
}

impl SqliteDeadLetterStore {
    async fn rows(&self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        statement.fetch_all(&self.pool).await.map_err(store_error)
    }

    async fn change<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<SqliteRow>, StoreError> {
        self.writes.execute(statement).await.map_err(store_error)
    }

    /// A statement of an owner, which does nothing when a newer one is there. Tokens only grow: one that is not newer
    /// after it was not newer before.
    async fn owned<'q>(
        &self,
        statement: impl Fn() -> Statement<'q>,
        owner: &DeadLetterOwner,
    ) -> Result<(), StoreError> {
        self.change(statement).await?;
        let row = self.rows(of(DEAD_LETTER_OWNER, &owner.target)).await?;
        let stored = row.first().map_or(Ok(0), |row| row.try_get::<i64, _>(0)).map_err(store_error)?;
        let (stored, offered) = (stored.cast_unsigned(), owner.token.get());
        match stored {
            1.. if stored <= offered => Ok(()),
            _ => Err(StoreError::Fenced { stored, offered }),
        }
    }
}

fn of<'q>(sql: &'static str, target: &'q Target) -> Statement<'q> {
    let Target { projection, generation, partition } = target;
    sqlx::query(sql).bind(projection.as_str()).bind(number(*generation)).bind(i64::from(*partition))
}

fn by<'q>(sql: &'static str, owner: &'q DeadLetterOwner) -> Statement<'q> {
    of(sql, &owner.target).bind(owner.token.get().cast_signed())
}

fn number(generation: Generation) -> i64 {
    i64::from(generation.get())
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn letters(rows: &[SqliteRow]) -> Result<Vec<DeadLetter>, StoreError> {
    rows.iter().map(letter).collect::<Result<_, _>>().map_err(store_error)
}

#[async_trait]
impl DeadLetterStore for SqliteDeadLetterStore {
    async fn take_over(
        &self,
        owner: &DeadLetterOwner,
        checkpoint: GlobalPosition,
    ) -> Result<ParkedDocuments, StoreError> {
        self.owned(|| by(TAKE_DEAD_LETTERS_OVER, owner), owner).await?;
        let query = of(PARKED_DOCUMENTS, &owner.target).bind(checkpoint.get().cast_signed());
        let mut parked = ParkedDocuments::default();
        for row in self.rows(query).await? {
            let found = || Ok((row.try_get::<Option<String>, _>(0)?, position(&row, 1)?, row.try_get::<bool, _>(2)?));
            match found().map_err(store_error)? {
                (None, count, _) => parked.without_document = count.get(),
                (Some(document), position, true) => drop(parked.discarded.insert((document, position))),
                (Some(document), position, false) => drop(parked.documents.insert(document, position)),
            }
        }
        Ok(parked)
    }

    async fn keep(&self, owner: &DeadLetterOwner, letters: Vec<NewDeadLetter>) -> Result<(), StoreError> {
        let letters = json(&owner.target, &letters);
        self.owned(|| by(KEEP_DEAD_LETTERS, owner).bind(letters.clone()), owner).await
    }

    async fn waiting(&self, target: &Target, document: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        letters(&self.rows(of(WAITING_DEAD_LETTERS, target).bind(document).bind(at_most(limit))).await?)
    }

    async fn note_removal(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        up_to: GlobalPosition,
    ) -> Result<(), StoreError> {
        self.owned(|| by(NOTE_REMOVAL, owner).bind(document).bind(up_to.get().cast_signed()), owner).await
    }

    /// The marks last: a document whose letters are gone and whose marks are not is settled again.
    async fn settle(&self, owner: &DeadLetterOwner, document: &str, up_to: GlobalPosition) -> Result<(), StoreError> {
        for sql in [REMOVE_DEAD_LETTERS, UNMARK_DEAD_LETTERS] {
            self.owned(|| by(sql, owner).bind(document).bind(up_to.get().cast_signed()), owner).await?;
        }
        Ok(())
    }

    async fn failed_again(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        position: GlobalPosition,
        failure: DeadLetterFailure,
    ) -> Result<(), StoreError> {
        let statement = || {
            by(DEAD_LETTER_FAILED, owner)
                .bind(document)
                .bind(position.get().cast_signed())
                .bind(failure.cause.name())
                .bind(failure.error.as_str())
                .bind(i64::from(failure.attempts))
        };
        self.owned(statement, owner).await
    }

    async fn to_replay(&self, target: &Target, limit: usize) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(of(DOCUMENTS_TO_REPLAY, target).bind(at_most(limit))).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn partitions_to_replay(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<BTreeSet<u16>, StoreError> {
        let query = sqlx::query(PARTITIONS_TO_REPLAY).bind(projection.as_str()).bind(number(generation));
        let partition = |row: &SqliteRow| u16::try_from(row.try_get::<i64, _>(0)?).map_err(corrupt);
        self.rows(query).await?.iter().map(partition).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn replay(&self, projection: &ProjectionName, document: Option<&str>) -> Result<u64, StoreError> {
        let statement = || sqlx::query(REPLAY_DEAD_LETTERS).bind(projection.as_str()).bind(document);
        let rows = self.change(statement).await?;
        let marked = |row: &SqliteRow| Ok((row.try_get::<i64, _>(0)?, row.try_get::<String, _>(1)?));
        let documents: HashSet<_> = rows.iter().map(marked).collect::<Result<_, _>>().map_err(store_error)?;
        Ok(documents.len() as u64)
    }

    async fn discard(&self, projection: &ProjectionName, id: DeadLetterId, reason: &str) -> Result<bool, StoreError> {
        let reason = Discarded::new(reason, Timestamp::MIN).reason;
        let statement =
            || sqlx::query(DISCARD_DEAD_LETTER).bind(projection.as_str()).bind(id.as_uuid()).bind(reason.as_str());
        Ok(!self.change(statement).await?.is_empty())
    }

    async fn find(&self, projection: &ProjectionName, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        let query = sqlx::query(FIND_DEAD_LETTER).bind(projection.as_str()).bind(id.as_uuid());
        Ok(letters(&self.rows(query).await?)?.pop())
    }

    async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, StoreError> {
        let (after, id) = list.after.map_or((0, Uuid::nil()), |(position, id)| (position.get(), id.as_uuid()));
        let failed = list.state.filter(|state| *state != DeadLetterState::Discarded);
        let query = sqlx::query(LIST_DEAD_LETTERS)
            .bind(list.projection.as_str())
            .bind(list.generation.map(number))
            .bind(list.document.as_deref())
            .bind(list.state.map(|state| state == DeadLetterState::Discarded))
            .bind(failed.map(|state| state == DeadLetterState::Failed))
            .bind(after.cast_signed())
            .bind(id)
            .bind(at_most(list.limit.saturating_add(1)));
        let mut letters = letters(&self.rows(query).await?)?;
        let more = letters.len() > list.limit;
        letters.truncate(list.limit);
        Ok(DeadLetterPage { letters, more })
    }

    async fn count(&self, projection: &ProjectionName, generation: Generation) -> Result<DeadLetterCount, StoreError> {
        let query = sqlx::query(COUNT_DEAD_LETTERS).bind(projection.as_str()).bind(number(generation));
        let counted = |row: &SqliteRow| {
            let number = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
            Ok(DeadLetterCount { documents: number(0)?, letters: number(1)?, without_document: number(2)? })
        };
        let rows = self.rows(query).await?;
        rows.first().map_or(Ok(DeadLetterCount::default()), counted).map_err(store_error)
    }

    /// The owners first: nobody adds letters to what is dropped after them.
    async fn retain(&self, projection: &ProjectionName, generations: &[Generation]) -> Result<(), StoreError> {
        let generations =
            serde_json::Value::from(generations.iter().copied().map(number).collect::<Vec<_>>()).to_string();
        for sql in [RETAIN_DEAD_LETTER_OWNERS, RETAIN_DEAD_LETTERS, RETAIN_DEAD_LETTER_MARKS] {
            self.change(|| sqlx::query(sql).bind(projection.as_str()).bind(generations.as_str())).await?;
        }
        Ok(())
    }
}
