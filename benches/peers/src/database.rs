//! A database of one's own on the server at DATABASE_URL, dropped at the end.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;

/// Those of sqlx, which the documentation of all four leaves as they are.
const CONNECTIONS: u32 = 10;

pub struct Database {
    server: PgConnectOptions,
    name: String,
    pub pool: PgPool,
}

impl Database {
    pub async fn create(connections: Option<u32>) -> Result<Self, Error> {
        let url = std::env::var("DATABASE_URL")
            .map_err(|_| "DATABASE_URL is not set: eval \"$(tests/services start postgres)\"")?;
        let server = PgConnectOptions::from_str(&url)?;
        let name = format!("peers_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect_with(&server).await?;
        let (fsync, synchronous): (String, String) =
            sqlx::query_as("select current_setting('fsync'), current_setting('synchronous_commit')")
                .fetch_one(&mut connection)
                .await?;
        if fsync != "on" || synchronous == "off" {
            return Err("the server does not commit durably: fsync or synchronous_commit is off".into());
        }
        sqlx::raw_sql(&format!("create database {name}")).execute(&mut connection).await?;
        connection.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(connections.unwrap_or(CONNECTIONS))
            .connect_with(server.clone().database(&name))
            .await?;
        Ok(Self { server, name, pool })
    }

    pub fn url(&self) -> String {
        self.server.clone().database(&self.name).to_url_lossy().to_string()
    }

    pub async fn count(&self, table: &str) -> Result<u64, Error> {
        let count: i64 = sqlx::query_scalar(&format!("select count(*) from {table}")).fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    pub async fn analyze(&self) -> Result<(), Error> {
        sqlx::raw_sql("analyze").execute(&self.pool).await?;
        Ok(())
    }

    pub async fn drop(self) -> Result<(), Error> {
        self.pool.close().await;
        let mut connection = PgConnection::connect_with(&self.server).await?;
        sqlx::raw_sql(&format!("drop database {} with (force)", self.name)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}
