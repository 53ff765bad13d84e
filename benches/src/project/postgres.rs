//! A schema of one's own in PostgreSQL.

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{DocumentWrite, ReadModel};
use cqrs_postgres::{PgReadModel, PgReadModelOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlSafeStr, SqlStr};

use super::place::{Place, Totals};
use super::statement::PROJECTION;
use crate::Error;
use crate::database::Database;

pub struct Postgres {
    database: Database,
    model: PgReadModel,
    pool: PgPool,
}

impl Postgres {
    pub async fn connect() -> Result<Self, Error> {
        let database = Database::from_environment()?;
        let model = PgReadModelOptions::new(&database.url)?.schema(&database.schema)?.connect().await?;
        model.migrate().await?;
        let pool = PgPool::connect(&database.url).await?;
        Ok(Self { database, model, pool })
    }

    fn sql(&self, sql: &str) -> SqlStr {
        AssertSqlSafe(sql.replace("{schema}", &self.database.schema)).into_sql_str()
    }
}

#[async_trait]
impl Place for Postgres {
    fn model(&self) -> Arc<dyn ReadModel> {
        Arc::new(self.model.clone())
    }

    async fn totals(&self) -> Result<Option<Totals>, Error> {
        let sql = format!("select count(*), sum((document->>'balance')::bigint)::bigint from {{schema}}.{PROJECTION}");
        let (documents, balance): (i64, i64) = sqlx::query_as(self.sql(&sql)).fetch_one(&self.pool).await?;
        Ok(Some(Totals { documents: documents.cast_unsigned(), balance }))
    }

    async fn prepare_bare(&self) -> Result<(), Error> {
        self.database
            .execute(
                "create table {schema}.bare (position bigint not null, key text collate \"C\" primary key, document jsonb not null);
                 create table {schema}.bare_checkpoint (position bigint not null);
                 insert into {schema}.bare_checkpoint values (0);",
            )
            .await
    }

    async fn write_bare(&self, documents: &[&DocumentWrite], batch: usize) -> Result<(), Error> {
        let upsert = self.sql(
            "with written as (
                 insert into {schema}.bare (key, document, position)
                 select * from unnest($1::text[], $2::text[]::jsonb[], $3::bigint[])
                     on conflict (key) do update set document = excluded.document, position = excluded.position
             )
             update {schema}.bare_checkpoint set position = position + 1",
        );
        for batch in documents.chunks(batch) {
            let documents: Vec<_> =
                batch.iter().map(|write| write.document.as_ref().map(|json| json.as_str())).collect();
            sqlx::query(upsert.clone())
                .bind(batch.iter().map(|write| write.key.as_str()).collect::<Vec<_>>())
                .bind(documents)
                .bind(batch.iter().map(|write| write.position.get().cast_signed()).collect::<Vec<_>>())
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    async fn remove(&self) -> Result<(), Error> {
        self.pool.close().await;
        self.database.drop_schema().await
    }
}
