//! A schema of one's own in the database, dropped at the end.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Error;

pub struct Database {
    pub url: String,
    pub schema: String,
}

impl Database {
    pub fn from_environment() -> Result<Self, Error> {
        Self::with_schema(&format!("bench_{}", uuid::Uuid::now_v7().simple()))
    }

    pub fn with_schema(schema: &str) -> Result<Self, Error> {
        let url = std::env::var("DATABASE_URL")
            .map_err(|_| "DATABASE_URL is not set: eval \"$(tests/services start postgres)\"")?;
        Ok(Self { url, schema: schema.to_owned() })
    }

    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.replace("{schema}", &self.schema))).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    pub async fn drop_schema(&self) -> Result<(), Error> {
        self.execute("set client_min_messages = warning; drop schema if exists {schema} cascade").await
    }
}
