//! evento: <https://docs.rs/evento/1.8.0>. It writes a snapshot after every commit.

use async_trait::async_trait;
use bincode::{Decode, Encode};
use evento::migrator::{Migrate, Plan};
use evento::{AggregatorName, EventDetails, WriteError};
use sqlx::PgPool;
use ulid::Ulid;
use uuid::Uuid;

use crate::Error;
use crate::account::{Account, AccountEvent, Command};
use crate::peer::{Peer, Refused};

#[derive(AggregatorName, Encode, Decode)]
struct Opened {
    owner: String,
}

#[derive(AggregatorName, Encode, Decode)]
struct Deposited {
    amount: i64,
    currency: String,
    note: String,
}

#[derive(AggregatorName, Encode, Decode)]
struct Withdrawn {
    amount: i64,
    currency: String,
    note: String,
}

#[derive(Debug, Clone, Default, Encode, Decode)]
struct BankAccount {
    account: Account,
}

#[evento::aggregator]
impl BankAccount {
    async fn opened(&mut self, event: EventDetails<Opened>) -> anyhow::Result<()> {
        self.account.record(&AccountEvent::Opened { owner: event.data.owner });
        Ok(())
    }

    async fn deposited(&mut self, event: EventDetails<Deposited>) -> anyhow::Result<()> {
        let Deposited { amount, currency, note } = event.data;
        self.account.record(&AccountEvent::Deposited { amount, currency, note });
        Ok(())
    }

    async fn withdrawn(&mut self, event: EventDetails<Withdrawn>) -> anyhow::Result<()> {
        let Withdrawn { amount, currency, note } = event.data;
        self.account.record(&AccountEvent::Withdrawn { amount, currency, note });
        Ok(())
    }
}

pub struct Evento {
    pool: PgPool,
    executor: evento::Postgres,
    /// Whether a balance may come from a snapshot.
    snapshots: bool,
}

impl Evento {
    pub async fn start(pool: PgPool, snapshots: bool) -> Result<Self, Error> {
        let mut connection = pool.acquire().await?;
        evento::sql_migrator::new::<sqlx::Postgres>()?.run(&mut connection, &Plan::apply_all()).await?;
        drop(connection);
        Ok(Self { executor: pool.clone().into(), pool, snapshots })
    }
}

#[async_trait]
impl Peer for Evento {
    async fn execute(&self, account: Uuid, command: &Command) -> Result<(), Refused> {
        let loaded =
            evento::load_optional::<BankAccount, _>(&self.executor, id(account)).await.map_err(Refused::failed)?;
        let now = loaded.as_ref().map_or_else(Account::default, |loaded| loaded.item.account.clone());
        let mut save = match loaded {
            Some(loaded) => evento::save_with(loaded),
            None => evento::create_with(id(account)),
        };
        for event in now.decide(command)? {
            save = match event {
                AccountEvent::Opened { owner } => save.data(&Opened { owner }),
                AccountEvent::Deposited { amount, currency, note } => save.data(&Deposited { amount, currency, note }),
                AccountEvent::Withdrawn { amount, currency, note } => save.data(&Withdrawn { amount, currency, note }),
            }
            .map_err(Refused::failed)?;
        }
        match save.metadata(&true).map_err(Refused::failed)?.commit(&self.executor).await {
            Ok(_) => Ok(()),
            Err(WriteError::InvalidOriginalVersion) => Err(Refused::Conflict),
            Err(error) => Err(Refused::failed(error)),
        }
    }

    async fn balance(&self, account: Uuid) -> Result<i64, Error> {
        let loaded = evento::load_optional::<BankAccount, _>(&self.executor, id(account)).await?;
        Ok(loaded.map_or(0, |loaded| loaded.item.account.balance))
    }

    /// It has no way to leave its snapshots out: they are gone, as after a change of the aggregate's code.
    async fn before_balance(&self) -> Result<(), Error> {
        if !self.snapshots {
            sqlx::query("delete from snapshot").execute(&self.pool).await?;
        }
        Ok(())
    }
}

/// It has room for the 26 characters of a ULID.
fn id(account: Uuid) -> String {
    Ulid::from(account.as_u128()).to_string()
}
