//! One partition: its documents, and the row that holds token and checkpoint.

use std::collections::HashMap;

use cqrs_core::{
    Batch, Checkpoint, EventId, FencingToken, GlobalPosition, Payload, ReadModelError, StoreId, StoredDocument, Target,
};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PgReadModel;
use super::batch::Arrays;
use super::names::Names;
use crate::error::{is_missing, read_model_error, refuses_data};
use crate::row::{corrupt, position};
use crate::statements::PgQuery;

impl PgReadModel {
    /// Not repeated after a lost answer: it would refuse its own token.
    pub(super) async fn take_over(
        &self,
        target: &Target,
        token: FencingToken,
    ) -> Result<Option<Checkpoint>, ReadModelError> {
        let query = of(self.sql().query(&self.sql().fence), target).bind(token.get().cast_signed());
        let row = self.one(query).await.map_err(read_model_error)?;
        let outcome: String = row.try_get(0).map_err(read_model_error)?;
        match outcome.as_str() {
            "taken" => checkpoint(&row, 2, target).map_err(read_model_error),
            outcome => {
                let stored = row.try_get(1).map_err(read_model_error)?;
                Err(refusal(outcome, stored, target, token, GlobalPosition::START))
            }
        }
    }

    pub(super) async fn find_checkpoint(
        &self,
        target: &Target,
    ) -> Result<(Option<FencingToken>, Option<Checkpoint>), ReadModelError> {
        let query = of(self.sql().query(&self.sql().checkpoint), target);
        let row = self.sessions().fetch_optional(query).await.map_err(read_model_error)?;
        let decode = |row: PgRow| Ok((token(row.try_get(0)?)?, checkpoint(&row, 1, target)?));
        row.map_or(Ok((None, None)), |row| decode(row).map_err(read_model_error))
    }

    pub(super) async fn find(
        &self,
        target: &Target,
        keys: &[String],
    ) -> Result<Vec<Option<StoredDocument>>, ReadModelError> {
        // PostgreSQL knows no text with this character, and so no such key.
        let wanted: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !key.contains('\0')).collect();
        if wanted.is_empty() {
            return Ok(vec![None; keys.len()]);
        }
        let names = Names::new(self.schema(), &target.projection)?;
        let load = names.render(include_str!("../../sql/read_model/load.sql"), target.generation);
        let rows = self.sessions().fetch_all(of(self.sql().query(&load), target).bind(&wanted[..])).await;
        let rows = rows.map_err(|error| match is_missing(&error) {
            true => ReadModelError::NotFound { generation: target.generation },
            false => read_model_error(error),
        })?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let (key, document) = document(row).map_err(read_model_error)?;
            found.insert(key, document);
        }
        Ok(keys.iter().map(|key| found.get(key.as_str()).cloned()).collect())
    }

    /// One call, and so one transaction.
    pub(super) async fn write(&self, target: &Target, batch: Batch) -> Result<(), ReadModelError> {
        let arrays = Arrays::new(target, &batch)?;
        let after = &batch.checkpoint;
        let query = of(self.sql().query(&self.sql().apply), target)
            .bind(after.token.get().cast_signed())
            .bind(batch.from.get().cast_signed())
            .bind(after.position.get().cast_signed())
            .bind(after.store_id.as_uuid())
            .bind(after.event_id.map(|id| id.as_uuid()));
        let row = match self.one(arrays.bind(query)).await {
            Ok(row) => row,
            Err(error) if refuses_data(&error) => return Err(self.find_refused(target, &arrays, error).await),
            Err(error) => return Err(read_model_error(error)),
        };
        let outcome: String = row.try_get(0).map_err(read_model_error)?;
        match outcome.as_str() {
            "applied" | "already" => Ok(()),
            outcome => {
                let stored = row.try_get(1).map_err(read_model_error)?;
                Err(refusal(outcome, stored, target, after.token, batch.from))
            }
        }
    }

    /// PostgreSQL does not say which document it refuses: each is tried for itself, and nothing is kept.
    async fn find_refused(&self, target: &Target, arrays: &Arrays<'_>, error: sqlx::Error) -> ReadModelError {
        let search = async {
            let mut change = self.change().await?;
            let query = arrays.bind(of(self.sql().query(&self.sql().refused), target));
            let row = change.fetch_optional(query).await?;
            change.roll_back().await?;
            let row = row.ok_or_else(|| read_model_error(sqlx::Error::RowNotFound))?;
            let refused = || Ok((row.try_get::<Option<String>, _>(0)?, row.try_get::<Option<String>, _>(1)?));
            refused().map_err(read_model_error)
        };
        match search.await {
            Ok((Some(key), reason)) => ReadModelError::Rejected { key, reason: reason.unwrap_or_default() },
            Ok((None, _)) => read_model_error(error),
            Err(error) => error,
        }
    }

    /// The answer of a function.
    async fn one(&self, query: PgQuery<'_>) -> Result<PgRow, sqlx::Error> {
        self.sessions().fetch_optional(query).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

fn of<'q>(query: PgQuery<'q>, target: &'q Target) -> PgQuery<'q> {
    let Target { projection, generation, partition } = target;
    query.bind(projection.as_str()).bind(i64::from(generation.get())).bind(i32::from(*partition))
}

fn refusal(
    outcome: &str,
    stored: Option<i64>,
    target: &Target,
    offered: FencingToken,
    from: GlobalPosition,
) -> ReadModelError {
    match (outcome, stored.and_then(|stored| u64::try_from(stored).ok())) {
        ("unknown", _) => ReadModelError::NotFound { generation: target.generation },
        ("fenced", Some(stored)) => ReadModelError::Fenced { stored: FencingToken::new(stored), offered },
        ("sequence", Some(stored)) => ReadModelError::OutOfSequence { from, actual: GlobalPosition::new(stored) },
        _ => ReadModelError::Corrupt { what: format!("a function answered {outcome:?}, {stored:?}") },
    }
}

fn token(stored: Option<i64>) -> Result<Option<FencingToken>, sqlx::Error> {
    stored.map(|stored| u64::try_from(stored).map(FencingToken::new).map_err(corrupt)).transpose()
}

/// The columns store_id, position, event_id, written_under from `column` on: all null before the first batch.
fn checkpoint(row: &PgRow, column: usize, target: &Target) -> Result<Option<Checkpoint>, sqlx::Error> {
    let (Some(store_id), Some(token)) = (row.try_get::<Option<Uuid>, _>(column)?, token(row.try_get(column + 3)?)?)
    else {
        return Ok(None);
    };
    Ok(Some(Checkpoint {
        store_id: StoreId::from_uuid(store_id),
        position: position(row, column + 1)?,
        event_id: row.try_get::<Option<Uuid>, _>(column + 2)?.map(EventId::from_uuid),
        generation: target.generation,
        token,
    }))
}

/// The columns key, document, position.
pub(super) fn document(row: &PgRow) -> Result<(&str, StoredDocument), sqlx::Error> {
    let document = Payload::from_bytes(row.try_get::<String, _>(1)?);
    Ok((row.try_get(0)?, StoredDocument { document: Some(document), position: position(row, 2)? }))
}
