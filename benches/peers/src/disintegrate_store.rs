//! disintegrate with disintegrate-postgres: <https://docs.rs/disintegrate>, <https://disintegrate-es.github.io/disintegrate>.

use async_trait::async_trait;
use disintegrate::serde::json::Json;
use disintegrate::{
    Decision, DecisionError, Event, EventSourcedStateStore, LoadState, NoSnapshot, StateMutate, StateQuery,
    WithSnapshot,
};
use disintegrate_postgres::{PgDecisionMaker, PgEventStore, PgSnapshotter, WithPgSnapshot, decision_maker};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::Error;
use crate::account::{Account, AccountEvent, Command, Rejected};
use crate::peer::{Peer, Refused};

/// That of its documentation.
const SNAPSHOT_EVERY: u64 = 10;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
enum BankEvent {
    AccountOpened {
        #[id]
        account_id: Uuid,
        owner: String,
    },
    AmountDeposited {
        #[id]
        account_id: Uuid,
        amount: i64,
        currency: String,
        note: String,
    },
    AmountWithdrawn {
        #[id]
        account_id: Uuid,
        amount: i64,
        currency: String,
        note: String,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, StateQuery)]
#[state_query(BankEvent)]
struct AccountState {
    #[id]
    account_id: Uuid,
    account: Account,
}

impl StateMutate for AccountState {
    fn mutate(&mut self, event: BankEvent) {
        self.account.record(&match event {
            BankEvent::AccountOpened { owner, .. } => AccountEvent::Opened { owner },
            BankEvent::AmountDeposited { amount, currency, note, .. } => {
                AccountEvent::Deposited { amount, currency, note }
            }
            BankEvent::AmountWithdrawn { amount, currency, note, .. } => {
                AccountEvent::Withdrawn { amount, currency, note }
            }
        });
    }
}

struct Made {
    account_id: Uuid,
    command: Command,
}

impl Decision for Made {
    type Event = BankEvent;
    type StateQuery = AccountState;
    type Error = Rejected;

    fn state_query(&self) -> AccountState {
        state_of(self.account_id)
    }

    fn process(&self, state: &AccountState) -> Result<Vec<BankEvent>, Rejected> {
        let account_id = self.account_id;
        let events = state.account.decide(&self.command)?.into_iter().map(|event| match event {
            AccountEvent::Opened { owner } => BankEvent::AccountOpened { account_id, owner },
            AccountEvent::Deposited { amount, currency, note } => {
                BankEvent::AmountDeposited { account_id, amount, currency, note }
            }
            AccountEvent::Withdrawn { amount, currency, note } => {
                BankEvent::AmountWithdrawn { account_id, amount, currency, note }
            }
        });
        Ok(events.collect())
    }
}

fn state_of(account_id: Uuid) -> AccountState {
    AccountState { account_id, account: Account::default() }
}

type Store = PgEventStore<BankEvent, Json<BankEvent>>;

pub struct Disintegrate {
    store: Store,
    maker: Maker,
}

enum Maker {
    Plain(PgDecisionMaker<BankEvent, Json<BankEvent>, NoSnapshot>),
    Snapshots(PgDecisionMaker<BankEvent, Json<BankEvent>, WithPgSnapshot>, WithPgSnapshot),
}

impl Disintegrate {
    pub async fn start(pool: PgPool, snapshots: bool) -> Result<Self, Error> {
        create_schema(&pool).await?;
        let store = PgEventStore::new_uninitialized(pool.clone(), Json::default());
        let maker = if snapshots {
            let snapshots = WithSnapshot::new(PgSnapshotter::try_new(pool, SNAPSHOT_EVERY).await?);
            Maker::Snapshots(decision_maker(store.clone(), snapshots.clone()), snapshots)
        } else {
            Maker::Plain(decision_maker(store.clone(), NoSnapshot))
        };
        Ok(Self { store, maker })
    }
}

#[async_trait]
impl Peer for Disintegrate {
    async fn execute(&self, account_id: Uuid, command: &Command) -> Result<(), Refused> {
        let decision = Made { account_id, command: command.clone() };
        let made = match &self.maker {
            Maker::Plain(maker) => maker.make(decision).await.map(drop),
            Maker::Snapshots(maker, _) => maker.make(decision).await.map(drop),
        };
        made.map_err(|error| match error {
            DecisionError::Domain(rejected) => rejected.into(),
            DecisionError::EventStore(error) | DecisionError::StateStore(error) if is_conflict(&*error) => {
                Refused::Conflict
            }
            error => Refused::failed(error),
        })
    }

    async fn balance(&self, account: Uuid) -> Result<i64, Error> {
        let (store, state) = (self.store.clone(), state_of(account));
        let loaded = match &self.maker {
            Maker::Plain(_) => EventSourcedStateStore::new(store, NoSnapshot).load(state).await?,
            Maker::Snapshots(_, snapshots) => EventSourcedStateStore::new(store, snapshots.clone()).load(state).await?,
        };
        Ok(loaded.state().account.balance)
    }
}

/// Its tables and functions. Version 4.0.1 writes a number as PostgreSQL 16 and later read it: on 15 `try_new` fails with
/// "trailing junk after numeric literal at or near "0xFFFFFFFF"". Its documentation allows them to be made by other means
/// (`new_uninitialized`); here by its own means with the same number in decimal.
async fn create_schema(pool: &PgPool) -> Result<(), Error> {
    let unchecked = (*pool.connect_options()).clone().options([("check_function_bodies", "off")]);
    let setup = PgPoolOptions::new().max_connections(1).connect_with(unchecked).await?;
    PgEventStore::<BankEvent, _>::try_new(setup.clone(), Json::<BankEvent>::default()).await?;
    let definition: String =
        sqlx::query_scalar("select pg_get_functiondef('event_store_begin_epoch'::regproc)").fetch_one(&setup).await?;
    sqlx::raw_sql(&definition.replace("0xFFFFFFFF", "4294967295")).execute(&setup).await?;
    setup.close().await;
    Ok(())
}

/// Its own word for it, and a serialization failure of PostgreSQL, which is its way to find conflicts.
fn is_conflict(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    match error.downcast_ref() {
        Some(disintegrate_postgres::Error::Concurrency) => true,
        Some(disintegrate_postgres::Error::Database(sqlx::Error::Database(error))) => {
            error.code().is_some_and(|code| code == "40001" || code == "40P01")
        }
        _ => false,
    }
}
