//! A prefix of one's own in Redis (REDIS_URL).

use std::sync::Arc;

use async_trait::async_trait;
use cqrs_core::{DocumentWrite, ProjectionName, ReadModel};
use cqrs_projections::RedisReadModel;
use futures::{StreamExt, TryStreamExt, stream};
use redis::aio::MultiplexedConnection;
use redis::{Client, cmd, pipe};
use serde_json::Value;

use super::place::{Place, Totals};
use super::statement::PROJECTION;
use crate::Error;

/// Pipelines on their way at once.
const AT_ONCE: usize = 2;

pub struct Redis {
    prefix: String,
    model: RedisReadModel,
    connection: MultiplexedConnection,
}

impl Redis {
    pub async fn connect() -> Result<Self, Error> {
        let url =
            std::env::var("REDIS_URL").map_err(|_| "REDIS_URL is not set: eval \"$(tests/services start redis)\"")?;
        let prefix = format!("bench-{}", uuid::Uuid::now_v7().simple());
        let model = RedisReadModel::connect(&url).prefix(&prefix).await?;
        let connection = Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { prefix, model, connection })
    }

    async fn set(&self, documents: &[&DocumentWrite]) -> Result<(), Error> {
        let mut pipeline = pipe();
        for write in documents {
            let document = write.document.as_ref().map_or("null", |document| document.as_str());
            // The bytes that the read model writes.
            let value = format!("{{\"position\":{},\"document\":{document}}}", write.position);
            pipeline.set(format!("{{{}:bare}}:doc:{}", self.prefix, write.key), value).ignore();
        }
        Ok(pipeline.query_async(&mut self.connection.clone()).await?)
    }

    async fn keys(&self, pattern: &str) -> Result<Vec<String>, Error> {
        let mut connection = self.connection.clone();
        let (mut cursor, mut keys) = (0_u64, Vec::new());
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(10_000);
            let (next, found): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
            keys.extend(found);
            if next == 0 {
                keys.sort_unstable();
                keys.dedup();
                return Ok(keys);
            }
            cursor = next;
        }
    }
}

#[async_trait]
impl Place for Redis {
    fn model(&self) -> Arc<dyn ReadModel> {
        Arc::new(self.model.clone())
    }

    async fn totals(&self) -> Result<Option<Totals>, Error> {
        let live = self.model.live(&ProjectionName::new(PROJECTION)?).await?.ok_or("nothing is live")?;
        let keys = self.keys(&format!("{{{}:{PROJECTION}:{}:*}}:doc:*", self.prefix, live.generation)).await?;
        let (documents, mut balance) = (keys.len() as u64, 0);
        for keys in keys.chunks(1_000) {
            let values: Vec<String> = cmd("MGET").arg(keys).query_async(&mut self.connection.clone()).await?;
            for value in values {
                let value: Value = serde_json::from_str(&value)?;
                balance += value["document"]["balance"].as_i64().ok_or("a document without a balance")?;
            }
        }
        Ok(Some(Totals { documents, balance }))
    }

    async fn prepare_bare(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn write_bare(&self, documents: &[&DocumentWrite], batch: usize) -> Result<(), Error> {
        let batches: Vec<_> = documents.chunks(batch).map(|batch| self.set(batch)).collect();
        stream::iter(batches).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn remove(&self) -> Result<(), Error> {
        for keys in self.keys(&format!("{{{}:*", self.prefix)).await?.chunks(10_000) {
            let () = cmd("UNLINK").arg(keys).query_async(&mut self.connection.clone()).await?;
        }
        Ok(())
    }
}
