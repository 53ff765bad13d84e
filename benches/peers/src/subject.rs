//! The libraries, each as its own documentation sets it up.

use std::sync::Arc;

use clap::ValueEnum;

use crate::Error;
use crate::cqrs_es::CqrsEs;
use crate::database::Database;
use crate::disintegrate_store::Disintegrate;
use crate::esrs_store::Esrs;
use crate::evento_store::Evento;
use crate::ours::Ours;
use crate::peer::Peer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    Ours,
    OursSnapshots,
    OursSnapshotsCache,
    CqrsEs,
    CqrsEsSnapshots,
    Disintegrate,
    DisintegrateSnapshots,
    Esrs,
    /// Its balances are read without the snapshots that it has written.
    Evento,
    EventoSnapshots,
}

impl Subject {
    pub async fn start(self, database: &Database, connections: Option<u32>) -> Result<Arc<dyn Peer>, Error> {
        let (url, pool) = (database.url(), database.pool.clone());
        Ok(match self {
            Self::Ours => Arc::new(Ours::start(&url, connections, false, false).await?),
            Self::OursSnapshots => Arc::new(Ours::start(&url, connections, true, false).await?),
            Self::OursSnapshotsCache => Arc::new(Ours::start(&url, connections, true, true).await?),
            Self::CqrsEs => Arc::new(CqrsEs::start(pool, false).await?),
            Self::CqrsEsSnapshots => Arc::new(CqrsEs::start(pool, true).await?),
            Self::Disintegrate => Arc::new(Disintegrate::start(pool, false).await?),
            Self::DisintegrateSnapshots => Arc::new(Disintegrate::start(pool, true).await?),
            Self::Esrs => Arc::new(Esrs::start(pool).await?),
            Self::Evento => Arc::new(Evento::start(pool, false).await?),
            Self::EventoSnapshots => Arc::new(Evento::start(pool, true).await?),
        })
    }

    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Where its events are.
    pub fn table(self) -> &'static str {
        match self {
            Self::Ours | Self::OursSnapshots | Self::OursSnapshotsCache => "cqrs.events",
            Self::CqrsEs | Self::CqrsEsSnapshots => "events",
            Self::Disintegrate | Self::DisintegrateSnapshots => "event",
            Self::Esrs => "account_events",
            Self::Evento | Self::EventoSnapshots => "event",
        }
    }

    /// As resolved in Cargo.lock.
    pub fn version(self) -> &'static str {
        let package = match self {
            Self::Ours | Self::OursSnapshots | Self::OursSnapshotsCache => "cqrs-postgres",
            Self::CqrsEs | Self::CqrsEsSnapshots => "postgres-es",
            Self::Disintegrate | Self::DisintegrateSnapshots => "disintegrate-postgres",
            Self::Esrs => "esrs",
            Self::Evento | Self::EventoSnapshots => "evento",
        };
        include_str!("../Cargo.lock")
            .split_once(&format!("name = \"{package}\"\nversion = \""))
            .and_then(|(_, rest)| rest.split('"').next())
            .unwrap_or_default()
    }
}
