//! A corner of a sink for one run: a read model in it, a bare client of the same server, and the end of both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clap::ValueEnum;
use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::{DocumentWrite, Payload, ReadModel};

use super::elasticsearch::Elasticsearch;
use super::postgres::Postgres;
use super::redis::Redis;
use crate::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sink {
    Elasticsearch,
    Memory,
    Postgres,
    Redis,
}

/// All documents together.
#[derive(Debug, PartialEq, Eq)]
pub struct Totals {
    pub documents: u64,
    /// The sum of their balances.
    pub balance: i64,
}

#[async_trait]
pub trait Place: Send + Sync {
    fn model(&self) -> Arc<dyn ReadModel>;

    /// What the read model holds, asked of the server itself; `None` without a server.
    async fn totals(&self) -> Result<Option<Totals>, Error>;

    /// Makes what the bare client writes to.
    async fn prepare_bare(&self) -> Result<(), Error>;

    /// Writes documents as a bare client does, `batch` at a time; no key twice in a batch.
    async fn write_bare(&self, documents: &[&DocumentWrite], batch: usize) -> Result<(), Error>;

    /// The position of the document `newest` as a search finds it; `None` where nothing searches.
    async fn searched(&self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    async fn remove(&self) -> Result<(), Error>;
}

impl Sink {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Memory => "memory",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }

    /// What the bare client does.
    pub const fn bare(self) -> &'static str {
        match self {
            Self::Elasticsearch => "bare _bulk",
            Self::Memory => "a hash map",
            Self::Postgres => "bare upsert through unnest, with a checkpoint",
            Self::Redis => "bare SET in pipelines",
        }
    }

    pub async fn place(self) -> Result<Box<dyn Place>, Error> {
        Ok(match self {
            Self::Elasticsearch => Box::new(Elasticsearch::connect().await?),
            Self::Memory => Box::new(Memory::default()),
            Self::Postgres => Box::new(Postgres::connect().await?),
            Self::Redis => Box::new(Redis::connect().await?),
        })
    }
}

#[derive(Default)]
struct Memory {
    model: InMemoryReadModel,
    bare: Mutex<HashMap<String, Payload>>,
}

#[async_trait]
impl Place for Memory {
    fn model(&self) -> Arc<dyn ReadModel> {
        Arc::new(self.model.clone())
    }

    async fn totals(&self) -> Result<Option<Totals>, Error> {
        Ok(None)
    }

    async fn prepare_bare(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn write_bare(&self, documents: &[&DocumentWrite], _batch: usize) -> Result<(), Error> {
        let mut bare = self.bare.lock().map_err(|_| "the lock is poisoned")?;
        for write in documents {
            if let Some(document) = &write.document {
                bare.insert(write.key.clone(), document.clone());
            }
        }
        Ok(())
    }

    async fn remove(&self) -> Result<(), Error> {
        Ok(())
    }
}
