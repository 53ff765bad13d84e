//! Indexes that every generation of a projection gets.

use cqrs_core::{Failure, Generation, InvalidName, ProjectionName, ReadModelError};
use sqlx::Row;

use super::PgReadModel;
use super::change::Change;
use super::names::{Names, check_index};
use crate::error::read_model_error;

/// An index over documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub name: &'static str,
    /// What follows the table's name in `create index`.
    pub definition: &'static str,
}

impl PgReadModel {
    /// An index that the documents get, by a name and what follows the table's name in `create index`. Give each
    /// projection its own clone of the read model with the indexes of its documents.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// # use cqrs_postgres::PgReadModel;
    /// # let model = PgReadModel::connect("postgres://localhost/shop").await?;
    /// let orders = model
    ///     .clone()
    ///     .index("by_total", "(((document->>'total')::bigint) desc)")?
    ///     .index("search", "using gin (document jsonb_path_ops)")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Opening the projection builds those that the live generation lacks, while its writers wait; readers do not. A new
    /// generation begins with them. An index that is no longer asked for goes with its generation. A document that an
    /// index does not take (a total that is no number) is [`Rejected`](ReadModelError::Rejected).
    ///
    /// The definition is part of the program, never input: PostgreSQL takes it as SQL, one statement of it.
    ///
    /// # Errors
    /// [`InvalidName`] for a name that holds anything but ASCII lower-case letters, digits and `_`.
    pub fn index(mut self, name: &'static str, definition: &'static str) -> Result<Self, InvalidName> {
        check_index(name)?;
        self.indexes.push(Index { name, definition });
        Ok(self)
    }

    /// Builds the indexes that a generation lacks.
    pub(super) async fn build_indexes(
        &self,
        change: &mut Change<'_>,
        projection: &ProjectionName,
        generation: Generation,
    ) -> Result<(), ReadModelError> {
        if self.indexes.is_empty() {
            return Ok(());
        }
        let names = Names::new(self.schema(), projection)?;
        let query =
            || self.sql().query(&self.sql().indexes).bind(projection.as_str()).bind(i64::from(generation.get()));
        let mut built = Vec::new();
        for row in change.fetch_all(query()).await? {
            let built_one: (String, String) =
                (row.try_get(0).map_err(read_model_error)?, row.try_get(1).map_err(read_model_error)?);
            built.push(built_one);
        }
        for index in &self.indexes {
            match built.iter().find(|(name, _)| name == index.name) {
                None => self.build_index(change, names, projection, generation, index).await?,
                Some((_, definition)) if definition == index.definition => {}
                Some((name, definition)) => {
                    let what =
                        format!("index {name} of generation {generation} is {definition}, not {}", index.definition);
                    return Err(ReadModelError::Mismatch { what });
                }
            }
        }
        Ok(())
    }

    async fn build_index(
        &self,
        change: &mut Change<'_>,
        names: Names<'_>,
        projection: &ProjectionName,
        generation: Generation,
        index: &Index,
    ) -> Result<(), ReadModelError> {
        let create = names.render_index(include_str!("../../sql/read_model/create_index.sql"), generation, index)?;
        change.create_index(sqlx::query(create).persistent(false)).await.map_err(|error| match error {
            ReadModelError::Permanent(why) => {
                ReadModelError::Permanent(Failure::new(format!("index {}: {why}", index.name)))
            }
            other => other,
        })?;
        let insert = self.sql().query(&self.sql().insert_index);
        let insert = insert.bind(projection.as_str()).bind(i64::from(generation.get()));
        change.execute(insert.bind(index.name).bind(index.definition)).await.map(drop)
    }
}
