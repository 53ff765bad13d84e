//! cqrs-es with postgres-es: <https://docs.rs/postgres-es>, <https://doc.rust-cqrs.org>.

use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::PersistedEventStore;
use cqrs_es::{Aggregate, AggregateContext, AggregateError, DomainEvent, EventStore};
use postgres_es::{PostgresCqrs, PostgresEventRepository, postgres_cqrs, postgres_snapshot_cqrs};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Error;
use crate::account::{Account, AccountEvent, Command, Rejected};
use crate::peer::{Peer, Refused};

/// That of its documentation.
const SNAPSHOT_EVERY: usize = 100;

impl DomainEvent for AccountEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Opened { .. } => "Opened".to_owned(),
            Self::Deposited { .. } => "Deposited".to_owned(),
            Self::Withdrawn { .. } => "Withdrawn".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = AccountEvent;
    type Error = Rejected;
    type Services = ();

    async fn handle(&mut self, command: Command, (): &(), sink: &EventSink<Self>) -> Result<(), Rejected> {
        for event in self.decide(&command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: AccountEvent) {
        self.record(&event);
    }
}

pub struct CqrsEs {
    accounts: PostgresCqrs<Account>,
    store: PersistedEventStore<PostgresEventRepository, Account>,
}

impl CqrsEs {
    pub async fn start(pool: PgPool, snapshots: bool) -> Result<Self, Error> {
        // It has no migrations: these are the tables of its user guide.
        sqlx::raw_sql(include_str!("cqrs_es.sql")).execute(&pool).await?;
        let repository = PostgresEventRepository::new(pool.clone());
        Ok(if snapshots {
            Self {
                accounts: postgres_snapshot_cqrs(pool, vec![], SNAPSHOT_EVERY, ()),
                store: PersistedEventStore::new_snapshot_store(repository, SNAPSHOT_EVERY),
            }
        } else {
            Self { accounts: postgres_cqrs(pool, vec![], ()), store: PersistedEventStore::new_event_store(repository) }
        })
    }
}

#[async_trait]
impl Peer for CqrsEs {
    async fn execute(&self, account: Uuid, command: &Command) -> Result<(), Refused> {
        match self.accounts.execute(&account.to_string(), command.clone()).await {
            Ok(()) => Ok(()),
            Err(AggregateError::UserError(rejected)) => Err(rejected.into()),
            Err(AggregateError::AggregateConflict) => Err(Refused::Conflict),
            Err(error) => Err(Refused::failed(error)),
        }
    }

    async fn balance(&self, account: Uuid) -> Result<i64, Error> {
        Ok(self.store.load_aggregate(&account.to_string()).await?.aggregate().balance)
    }
}
