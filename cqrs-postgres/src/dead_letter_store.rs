//! Dead letters of projections, in tables beside the events.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cqrs_core::{
    DeadLetter, DeadLetterCount, DeadLetterFailure, DeadLetterId, DeadLetterOwner, DeadLetterPage, DeadLetterState,
    DeadLetterStore, Discarded, Generation, GlobalPosition, ListDeadLetters, NewDeadLetter, ParkedDocuments,
    ProjectionName, StoreError, Target, Timestamp,
};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

mod columns;

use crate::error::store_error;
use crate::row::{corrupt, position};
use crate::session::Sessions;
use crate::statements::{PgQuery, Statements};
use columns::{Columns, letter};

/// The dead letters that belong to a [`PgEventStore`](crate::PgEventStore).
#[derive(Debug, Clone)]
pub struct PgDeadLetterStore {
    pub(crate) sessions: Sessions,
    pub(crate) sql: Statements,
}

impl PgDeadLetterStore {
    async fn rows(&self, statement: PgQuery<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.sessions.fetch_all(statement).await.map_err(store_error)
    }

    /// A statement of an owner. It answers with the token that is stored, and does nothing when that is a newer one.
    async fn owned(&self, statement: PgQuery<'_>, owner: &DeadLetterOwner) -> Result<(), StoreError> {
        let row = self.sessions.fetch_optional(statement).await.map_err(store_error)?;
        let stored = row.map_or(Ok(None), |row| row.try_get::<i64, _>(0).map(Some)).map_err(store_error)?;
        let (stored, offered) = (stored.map_or(0, i64::cast_unsigned), owner.token.get());
        match stored {
            1.. if stored <= offered => Ok(()),
            _ => Err(StoreError::Fenced { stored, offered }),
        }
    }

    async fn counted(&self, statement: PgQuery<'_>) -> Result<u64, StoreError> {
        let row = self.sessions.fetch_optional(statement).await.map_err(store_error)?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(store_error)?;
        Ok(count.unsigned_abs())
    }
}

fn of<'q>(query: PgQuery<'q>, target: &'q Target) -> PgQuery<'q> {
    let Target { projection, generation, partition } = target;
    query.bind(projection.as_str()).bind(number(*generation)).bind(i32::from(*partition))
}

fn by<'q>(query: PgQuery<'q>, owner: &'q DeadLetterOwner) -> PgQuery<'q> {
    of(query, &owner.target).bind(owner.token.get().cast_signed())
}

fn number(generation: Generation) -> i64 {
    i64::from(generation.get())
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl DeadLetterStore for PgDeadLetterStore {
    async fn take_over(
        &self,
        owner: &DeadLetterOwner,
        checkpoint: GlobalPosition,
    ) -> Result<ParkedDocuments, StoreError> {
        self.owned(by(self.sql.query(&self.sql.take_dead_letters_over), owner), owner).await?;
        let query = of(self.sql.query(&self.sql.parked_documents), &owner.target);
        let mut parked = ParkedDocuments::default();
        for row in self.rows(query.bind(checkpoint.get().cast_signed())).await? {
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
        let columns = Columns::of(&owner.target, &letters);
        self.owned(columns.bind(by(self.sql.query(&self.sql.keep_dead_letters), owner)), owner).await
    }

    async fn waiting(&self, target: &Target, document: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let query = of(self.sql.query(&self.sql.waiting_dead_letters), target).bind(document).bind(at_most(limit));
        let rows = self.rows(query).await?;
        rows.iter().map(letter).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn note_removal(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        up_to: GlobalPosition,
    ) -> Result<(), StoreError> {
        let query = by(self.sql.query(&self.sql.note_removal), owner).bind(document).bind(up_to.get().cast_signed());
        self.owned(query, owner).await
    }

    async fn settle(&self, owner: &DeadLetterOwner, document: &str, up_to: GlobalPosition) -> Result<(), StoreError> {
        let query = by(self.sql.query(&self.sql.settle_dead_letters), owner);
        self.owned(query.bind(document).bind(up_to.get().cast_signed()), owner).await
    }

    async fn failed_again(
        &self,
        owner: &DeadLetterOwner,
        document: &str,
        position: GlobalPosition,
        failure: DeadLetterFailure,
    ) -> Result<(), StoreError> {
        let query = by(self.sql.query(&self.sql.dead_letter_failed), owner)
            .bind(document)
            .bind(position.get().cast_signed())
            .bind(failure.cause.name())
            .bind(failure.error)
            .bind(i64::from(failure.attempts));
        self.owned(query, owner).await
    }

    async fn to_replay(&self, target: &Target, limit: usize) -> Result<Vec<String>, StoreError> {
        let query = of(self.sql.query(&self.sql.documents_to_replay), target).bind(at_most(limit));
        let rows = self.rows(query).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn partitions_to_replay(
        &self,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<BTreeSet<u16>, StoreError> {
        let query = self.sql.query(&self.sql.partitions_to_replay).bind(projection.as_str()).bind(number(generation));
        let partition = |row: &PgRow| u16::try_from(row.try_get::<i32, _>(0)?).map_err(corrupt);
        self.rows(query).await?.iter().map(partition).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn replay(&self, projection: &ProjectionName, document: Option<&str>) -> Result<u64, StoreError> {
        let query = self.sql.query(&self.sql.replay_dead_letters).bind(projection.as_str()).bind(document);
        self.counted(query).await
    }

    async fn discard(&self, projection: &ProjectionName, id: DeadLetterId, reason: &str) -> Result<bool, StoreError> {
        let reason = Discarded::new(reason, Timestamp::MIN).reason;
        let query = self.sql.query(&self.sql.discard_dead_letter).bind(projection.as_str()).bind(id.as_uuid());
        Ok(self.counted(query.bind(reason)).await? > 0)
    }

    async fn find(&self, projection: &ProjectionName, id: DeadLetterId) -> Result<Option<DeadLetter>, StoreError> {
        let query = self.sql.query(&self.sql.find_dead_letter).bind(projection.as_str()).bind(id.as_uuid());
        self.rows(query).await?.first().map(letter).transpose().map_err(store_error)
    }

    async fn list(&self, list: &ListDeadLetters) -> Result<DeadLetterPage, StoreError> {
        let (after, id) = list.after.map_or((0, Uuid::nil()), |(position, id)| (position.get(), id.as_uuid()));
        let failed = list.state.filter(|state| *state != DeadLetterState::Discarded);
        let query = self
            .sql
            .query(&self.sql.list_dead_letters)
            .bind(list.projection.as_str())
            .bind(list.generation.map(number))
            .bind(list.document.as_deref())
            .bind(list.state.map(|state| state == DeadLetterState::Discarded))
            .bind(failed.map(|state| state == DeadLetterState::Failed))
            .bind(after.cast_signed())
            .bind(id)
            .bind(at_most(list.limit.saturating_add(1)));
        let rows = self.rows(query).await?;
        let mut letters: Vec<_> = rows.iter().map(letter).collect::<Result<_, _>>().map_err(store_error)?;
        let more = letters.len() > list.limit;
        letters.truncate(list.limit);
        Ok(DeadLetterPage { letters, more })
    }

    async fn count(&self, projection: &ProjectionName, generation: Generation) -> Result<DeadLetterCount, StoreError> {
        let query = self.sql.query(&self.sql.count_dead_letters).bind(projection.as_str()).bind(number(generation));
        let counted = |row: &PgRow| {
            let number = |column: usize| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
            Ok(DeadLetterCount { documents: number(0)?, letters: number(1)?, without_document: number(2)? })
        };
        let rows = self.rows(query).await?;
        rows.first().map_or(Ok(DeadLetterCount::default()), counted).map_err(store_error)
    }

    async fn retain(&self, projection: &ProjectionName, generations: &[Generation]) -> Result<(), StoreError> {
        let generations: Vec<i64> = generations.iter().copied().map(number).collect();
        let query = self.sql.query(&self.sql.retain_dead_letters).bind(projection.as_str()).bind(&generations[..]);
        self.sessions.execute(query).await.map_err(store_error).map(drop)
    }
}
