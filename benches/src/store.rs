//! The stores that can be measured.

use std::sync::Arc;

use clap::ValueEnum;
use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Append, EventStore, Repository, SnapshotStore, StreamName};
use cqrs_postgres::PgOptions;
use cqrs_sqlite::SqliteEventStore;

use crate::Error;
use crate::database::Database;
use crate::file::File;
use crate::workload::Account;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    Memory,
    Postgres,
    Sqlite,
}

/// A fresh store, and accounts in it with and without snapshots.
pub struct Opened {
    pub store: Arc<dyn EventStore>,
    pub plain: Repository<Account>,
    pub with_snapshots: Repository<Account>,
    pub snapshots: Arc<dyn SnapshotStore>,
    pub database: Option<Database>,
    file: Option<File>,
}

impl Store {
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }

    pub async fn open(self) -> Result<Opened, Error> {
        match self {
            Self::Memory => {
                let store = InMemoryEventStore::new();
                Ok(Opened {
                    plain: Repository::new(store.clone()),
                    with_snapshots: Repository::new(store.clone()).snapshots(store.snapshots()),
                    snapshots: Arc::new(store.snapshots()),
                    store: Arc::new(store),
                    database: None,
                    file: None,
                })
            }
            Self::Postgres => {
                let database = Database::from_environment()?;
                let store = PgOptions::new(&database.url)?.schema(&database.schema)?.connect().await?;
                store.migrate().await?;
                Ok(Opened {
                    plain: Repository::new(store.clone()),
                    with_snapshots: Repository::new(store.clone()).snapshots(store.snapshots()),
                    snapshots: Arc::new(store.snapshots()),
                    store: Arc::new(store),
                    database: Some(database),
                    file: None,
                })
            }
            Self::Sqlite => {
                let file = File::create()?;
                let store = SqliteEventStore::open(file.path()).await?;
                Ok(Opened {
                    plain: Repository::new(store.clone()),
                    with_snapshots: Repository::new(store.clone()).snapshots(store.snapshots()),
                    snapshots: Arc::new(store.snapshots()),
                    store: Arc::new(store),
                    database: None,
                    file: Some(file),
                })
            }
        }
    }
}

impl Opened {
    /// Drops what was written.
    pub async fn close(self) -> Result<(), Error> {
        if let Some(database) = self.database {
            database.drop_schema().await?;
        }
        self.file.map_or(Ok(()), File::remove)
    }

    /// Fills `streams` accounts with `events` events in all, one after the other, in appends of 1,000.
    pub async fn fill(&self, events: u64, streams: u64) -> Result<(), Error> {
        self.fill_by(events, streams, |number| number % streams).await
    }

    /// The same, the event of each number in the stream that `stream` names.
    pub async fn fill_by(&self, events: u64, streams: u64, stream: impl Fn(u64) -> u64) -> Result<(), Error> {
        let names: Vec<_> = (0..streams).map(|stream| StreamName::of("account", &stream)).collect::<Result<_, _>>()?;
        let mut at = 0;
        while at < events {
            let mut parts = Vec::new();
            for _ in 0..4 {
                let end = (at + 1_000).min(events);
                let part: Result<Vec<_>, Error> = (at..end)
                    .map(|number| crate::workload::new_event(&names[stream(number) as usize], number))
                    .collect();
                at = end;
                let part = part?;
                if !part.is_empty() {
                    parts.push(self.store.append(Append::new(part)));
                }
            }
            futures::future::try_join_all(parts).await?;
        }
        Ok(())
    }
}
