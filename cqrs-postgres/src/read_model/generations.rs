//! Generations: a table each, and a view on the live one.

use cqrs_core::{Generation, LiveGeneration, Partitions, ProjectionName, ReadModelError};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PgReadModel;
use super::change::Change;
use super::names::Names;
use crate::error::read_model_error;
use crate::row::corrupt;

/// What a projection's row says, locked until the end of the change.
struct Locked {
    live: Option<LiveGeneration>,
    highest: u32,
}

macro_rules! table {
    ($names:expr, $generation:expr, $file:literal) => {
        sqlx::query($names.render(include_str!(concat!("../../sql/read_model/", $file)), $generation)).persistent(false)
    };
}

impl PgReadModel {
    pub(super) async fn open_live(
        &self,
        projection: &ProjectionName,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        let mut change = self.change().await?;
        let locked = self.register(&mut change, projection).await?;
        let live = match locked.live {
            Some(live) => match live.opened(partitions) {
                Ok(live) => {
                    self.build_indexes(&mut change, projection, live).await?;
                    live
                }
                Err(mismatch) => {
                    change.roll_back().await?;
                    return Err(mismatch);
                }
            },
            None => {
                let created = self.create(&mut change, projection, &locked, partitions).await?;
                self.point(&mut change, projection, created).await?;
                created
            }
        };
        change.commit().await?;
        Ok(live)
    }

    pub(super) async fn find_live(
        &self,
        projection: &ProjectionName,
    ) -> Result<Option<LiveGeneration>, ReadModelError> {
        let query = self.sql().query(&self.sql().live).bind(projection.as_str());
        let row = self.sessions().fetch_optional(query).await.map_err(read_model_error)?;
        row.map_or(Ok(None), |row| live(&row))
    }

    pub(super) async fn list(&self, projection: &ProjectionName) -> Result<Vec<Generation>, ReadModelError> {
        let query = self.sql().query(&self.sql().generations).bind(projection.as_str());
        let rows = self.sessions().fetch_all(query).await.map_err(read_model_error)?;
        rows.iter().map(|row| generation(row.try_get(0).map_err(read_model_error)?)).collect()
    }

    pub(super) async fn begin_next(
        &self,
        projection: &ProjectionName,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        self.sweep(projection).await;
        let mut change = self.change().await?;
        let locked = self.register(&mut change, projection).await?;
        let created = self.create(&mut change, projection, &locked, partitions).await?;
        change.commit().await?;
        Ok(created)
    }

    pub(super) async fn make_live(&self, projection: &ProjectionName, to: Generation) -> Result<(), ReadModelError> {
        let mut change = self.change().await?;
        if self.lock(&mut change, projection).await?.is_none() || !self.point(&mut change, projection, to).await? {
            change.roll_back().await?;
            return Err(ReadModelError::NotFound { generation: to });
        }
        change.commit().await
    }

    /// From the first commit on it is gone for everybody; then its table goes.
    pub(super) async fn remove(&self, projection: &ProjectionName, of: Generation) -> Result<(), ReadModelError> {
        let mut change = self.change().await?;
        let Some(locked) = self.lock(&mut change, projection).await? else {
            return change.roll_back().await;
        };
        if locked.live.is_some_and(|live| live.generation == of) {
            change.roll_back().await?;
            return Err(ReadModelError::Live { generation: of });
        }
        let close = self.sql().query(&self.sql().close).bind(projection.as_str()).bind(i64::from(of.get()));
        change.execute(close).await?;
        change.commit().await?;
        self.sweep(projection).await;
        Ok(())
    }

    /// The row of the projection, which is made with its parent table and its view where there is none.
    async fn register(&self, change: &mut Change<'_>, projection: &ProjectionName) -> Result<Locked, ReadModelError> {
        let names = Names::new(self.schema(), projection)?;
        let register = self.sql().query(&self.sql().register).bind(projection.as_str());
        if change.execute(register).await? == 1 {
            change.execute(table!(names, Generation::FIRST, "create_parent.sql")).await?;
            change.execute(table!(names, Generation::FIRST, "create_view.sql")).await?;
        }
        let vanished = || ReadModelError::Corrupt { what: format!("the row of projection {projection} is gone") };
        self.lock(change, projection).await?.ok_or_else(vanished)
    }

    async fn lock(
        &self,
        change: &mut Change<'_>,
        projection: &ProjectionName,
    ) -> Result<Option<Locked>, ReadModelError> {
        let lock = self.sql().query(&self.sql().lock).bind(projection.as_str());
        let Some(row) = change.fetch_optional(lock).await? else {
            return Ok(None);
        };
        let highest: i64 = row.try_get(0).map_err(read_model_error)?;
        let highest = u32::try_from(highest).map_err(corrupt).map_err(read_model_error)?;
        // In a statement of its own: one that waited for the lock does not see the rows that others wrote meanwhile.
        let found = change.fetch_optional(self.sql().query(&self.sql().live).bind(projection.as_str())).await?;
        Ok(Some(Locked { live: found.map_or(Ok(None), |row| live(&row))?, highest }))
    }

    async fn create(
        &self,
        change: &mut Change<'_>,
        projection: &ProjectionName,
        locked: &Locked,
        partitions: Partitions,
    ) -> Result<Generation, ReadModelError> {
        let names = Names::new(self.schema(), projection)?;
        let created = Generation::new(locked.highest.saturating_add(1));
        let insert = self.sql().query(&self.sql().insert_generation);
        let insert = insert.bind(projection.as_str()).bind(i64::from(created.get()));
        change.execute(insert.bind(i32::from(partitions.get()))).await?;
        change.execute(table!(names, created, "create_generation.sql")).await?;
        change.execute(table!(names, created, "attach_generation.sql")).await?;
        self.build_indexes(change, projection, created).await?;
        Ok(created)
    }

    /// Whether there is such a generation: it is the live one now.
    async fn point(
        &self,
        change: &mut Change<'_>,
        projection: &ProjectionName,
        to: Generation,
    ) -> Result<bool, ReadModelError> {
        let swap = self.sql().query(&self.sql().swap).bind(projection.as_str()).bind(i64::from(to.get()));
        Ok(change.execute(swap).await? == 1)
    }

    /// Drops the tables of dropped generations, as far as readers let go of them: nobody else misses them.
    async fn sweep(&self, projection: &ProjectionName) {
        let closed = self.sql().query(&self.sql().closed).bind(projection.as_str());
        let swept = async {
            for row in self.sessions().fetch_all(closed).await? {
                let generation: i64 = row.try_get(0)?;
                let drop = self.sql().query(&self.sql().drop).bind(projection.as_str()).bind(generation);
                if let Err(error) = self.sessions().execute(drop).await {
                    tracing::warn!(%projection, generation, %error, "the table of a dropped generation stays for now");
                }
            }
            Ok::<(), sqlx::Error>(())
        };
        if let Err(error) = swept.await {
            tracing::warn!(%projection, %error, "tables of dropped generations may stay for now");
        }
    }
}

/// The live generation and the number of its partitions.
fn live(row: &PgRow) -> Result<Option<LiveGeneration>, ReadModelError> {
    let Some(live) = row.try_get::<Option<i64>, _>(0).map_err(read_model_error)? else {
        return Ok(None);
    };
    let count: Option<i32> = row.try_get(1).map_err(read_model_error)?;
    let partitions = count.and_then(|count| u16::try_from(count).ok()).and_then(|count| Partitions::new(count).ok());
    let corrupt = || ReadModelError::Corrupt { what: format!("generation {live} with {count:?} partitions") };
    Ok(Some(LiveGeneration { generation: generation(live)?, partitions: partitions.ok_or_else(corrupt)? }))
}

fn generation(number: i64) -> Result<Generation, ReadModelError> {
    let number = u32::try_from(number).ok().filter(|number| *number > 0);
    number
        .map(Generation::new)
        .ok_or_else(|| ReadModelError::Corrupt { what: "a generation without a number".to_owned() })
}
