//! This repository's own.

use async_trait::async_trait;
use cqrs_core::{Apply, ExecuteError, Handle, Repository};
use cqrs_postgres::PgOptions;
use uuid::Uuid;

use crate::Error;
use crate::account::{Account, AccountEvent, Command, Rejected};
use crate::peer::{Peer, Refused};

impl Apply for Account {
    fn apply(&mut self, event: &AccountEvent) {
        self.record(event);
    }
}

impl Handle<Command> for Account {
    fn handle(&self, command: &Command) -> Result<Vec<AccountEvent>, Rejected> {
        self.decide(command)
    }
}

pub struct Ours {
    accounts: Repository<Account>,
    /// As after a restart: nothing in the cache.
    cold: Repository<Account>,
}

impl Ours {
    pub async fn start(url: &str, connections: Option<u32>, snapshots: bool, cache: bool) -> Result<Self, Error> {
        let mut options = PgOptions::new(url)?;
        if let Some(connections) = connections {
            // Appends have one of their own.
            options = options.read_connections(connections.saturating_sub(1));
        }
        let store = options.connect().await?;
        store.migrate().await?;
        let mut cold = Repository::new(store.clone());
        if snapshots {
            cold = cold.snapshots(store.snapshots());
        }
        let accounts = if cache { cold.clone().cache(10_000) } else { cold.clone() };
        Ok(Self { accounts, cold })
    }
}

#[async_trait]
impl Peer for Ours {
    async fn execute(&self, account: Uuid, command: &Command) -> Result<(), Refused> {
        match self.accounts.execute(&account, command.clone()).await {
            Ok(_) => Ok(()),
            Err(ExecuteError::Domain(rejected)) => Err(rejected.into()),
            Err(ExecuteError::Conflict { .. }) => Err(Refused::Conflict),
            Err(error) => Err(Refused::failed(error)),
        }
    }

    async fn balance(&self, account: Uuid) -> Result<i64, Error> {
        Ok(self.cold.load(&account).await?.map_or(0, |loaded| loaded.state.balance))
    }
}
