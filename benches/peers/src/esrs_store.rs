//! esrs: <https://docs.rs/esrs>. It has no snapshots.

use async_trait::async_trait;
use esrs::manager::AggregateManager;
use esrs::store::postgres::{PgStore, PgStoreBuilder, PgStoreError};
use esrs::{Aggregate, AggregateState};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Error;
use crate::account::{Account, AccountEvent, Command, Rejected};
use crate::peer::{Peer, Refused};

pub struct Ledger;

impl Aggregate for Ledger {
    /// Its table is `account_events`.
    const NAME: &'static str = "account";
    type State = Account;
    type Command = Command;
    type Event = AccountEvent;
    type Error = Rejected;

    fn handle_command(state: &Account, command: Command) -> Result<Vec<AccountEvent>, Rejected> {
        state.decide(&command)
    }

    fn apply_event(mut state: Account, event: AccountEvent) -> Account {
        state.record(&event);
        state
    }
}

pub struct Esrs(AggregateManager<PgStore<Ledger>>);

impl Esrs {
    pub async fn start(pool: PgPool) -> Result<Self, Error> {
        Ok(Self(AggregateManager::new(PgStoreBuilder::new(pool).try_build().await?)))
    }
}

#[async_trait]
impl Peer for Esrs {
    /// Its optimistic way: the pessimistic one holds a connection for each lock, and more callers than connections
    /// would wait for one another.
    async fn execute(&self, account: Uuid, command: &Command) -> Result<(), Refused> {
        let state = self.0.load(account).await.map_err(refused)?.unwrap_or_else(|| AggregateState::with_id(account));
        self.0.handle_command(state, command.clone()).await.map_err(refused)??;
        Ok(())
    }

    async fn balance(&self, account: Uuid) -> Result<i64, Error> {
        Ok(self.0.load(account).await?.map_or(0, |state| state.inner().balance))
    }
}

fn refused(error: PgStoreError) -> Refused {
    match &error {
        PgStoreError::Sqlx(sqlx::Error::Database(database)) if database.is_unique_violation() => Refused::Conflict,
        _ => Refused::failed(error),
    }
}
