//! Accounts that move money to each other: what is lost, doubled, reordered or half done shows in their sheets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use cqrs_core::{
    Append, Documents, DomainEvent, EventSet, EventStore, GlobalPosition, NewEvent, ReadModel, Recorded, StreamName,
};
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::wait::until;

/// The projection.
pub const NAME: &str = "sheets";
/// How many accounts there are.
pub const ACCOUNTS: u64 = 30;

/// What happens to accounts.
#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "ledger")]
pub enum LedgerEvent {
    /// Money went from one account to another.
    Moved {
        /// It has less.
        from: u64,
        /// It has more.
        to: u64,
        /// So much.
        amount: i64,
    },
    /// An account is no more.
    Closed {
        /// The account.
        account: u64,
    },
}

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sheet {
    /// What it has.
    pub balance: i64,
    /// How many events have touched it.
    pub events: u64,
    /// Differs for each order of the events.
    pub trail: i64,
}

/// A sheet for each account, over so many partitions.
#[derive(Debug)]
pub struct Sheets(pub u16);

impl Projector for Sheets {
    type Event = LedgerEvent;
    type Document = Sheet;

    fn partitions(&self) -> u16 {
        self.0
    }

    fn version(&self) -> Option<u32> {
        Some(1)
    }

    fn route(&self, event: &Recorded<LedgerEvent>, to: &mut Vec<String>) {
        match &event.event {
            LedgerEvent::Moved { from, to: other, .. } => to.extend([from.to_string(), other.to_string()]),
            LedgerEvent::Closed { account } => to.push(account.to_string()),
        }
    }

    fn project(
        &self,
        event: &Recorded<LedgerEvent>,
        key: &str,
        document: Option<Sheet>,
    ) -> Result<Option<Sheet>, ProjectError> {
        let mut sheet = document.unwrap_or_default();
        match event.event {
            LedgerEvent::Moved { from, amount, .. } => {
                let amount = if key == from.to_string() { -amount } else { amount };
                sheet.balance += amount;
                sheet.trail = sheet.trail.wrapping_mul(31).wrapping_add(amount);
            }
            LedgerEvent::Closed { .. } => return Ok(None),
        }
        sheet.events += 1;
        Ok(Some(sheet))
    }
}

fn moved(seed: u64) -> LedgerEvent {
    let (from, to) = (seed % ACCOUNTS, (seed + 1 + seed / 3 % (ACCOUNTS - 1)) % ACCOUNTS);
    LedgerEvent::Moved { from, to, amount: 1 + (seed % 50) as i64 }
}

/// Moves money, and nothing else: the sum of all balances is always 0.
///
/// # Panics
/// When it is not written.
pub async fn move_some(store: &dyn EventStore, seed: u64) -> GlobalPosition {
    append(store, vec![moved(seed), moved(seed * 7 + 3)]).await
}

/// Moves money, and at times closes an account that two others go on without.
///
/// # Panics
/// When it is not written.
pub async fn go_on(store: &dyn EventStore, seed: u64) -> GlobalPosition {
    let mut events = vec![moved(seed), moved(seed * 7 + 3)];
    if seed.is_multiple_of(19) {
        events.push(LedgerEvent::Closed { account: seed % ACCOUNTS });
    }
    append(store, events).await
}

async fn append(store: &dyn EventStore, events: Vec<LedgerEvent>) -> GlobalPosition {
    let stream = StreamName::new("ledger-1").unwrap();
    let events = events.iter().map(|event| NewEvent::encode(stream.clone(), event).unwrap()).collect();
    store.append(Append::new(events)).await.unwrap().position
}

/// The sheets as they should be: every event of the log, one by one.
///
/// # Panics
/// When the log cannot be read.
pub async fn folded(store: &dyn EventStore) -> BTreeMap<String, Sheet> {
    folded_up_to(store, GlobalPosition::MAX).await
}

/// The same up to a position.
///
/// # Panics
/// When the log cannot be read.
pub async fn folded_up_to(store: &dyn EventStore, position: GlobalPosition) -> BTreeMap<String, Sheet> {
    let mut sheets = BTreeMap::new();
    let mut log = crate::database::log(store).await;
    let known = LedgerEvent::event_types();
    log.retain(|event| event.position <= position && known.contains(&event.event_type));
    for event in Recorded::<LedgerEvent>::decode_all(log).unwrap() {
        let mut keys = Vec::new();
        Sheets(1).route(&event, &mut keys);
        for key in keys {
            let before = sheets.remove(&key);
            if let Some(after) = Sheets(1).project(&event, &key, before).unwrap() {
                sheets.insert(key, after);
            }
        }
    }
    sheets
}

/// The sheets as they are.
///
/// # Panics
/// When they cannot be read.
pub async fn kept(model: &(impl ReadModel + Clone)) -> BTreeMap<String, Sheet> {
    sheets(&Documents::new(model.clone(), NAME).unwrap()).await
}

/// The sheets as some documents have them.
///
/// # Panics
/// When they cannot be read.
pub async fn sheets(sheets: &Documents<Sheet>) -> BTreeMap<String, Sheet> {
    let keys: Vec<_> = (0..ACCOUNTS).map(|account| account.to_string()).collect();
    // After a restart of the server a session turns out to be dead once.
    let read = || async {
        match sheets.get_many(&keys).await {
            Ok(found) => Some(found),
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                None
            }
        }
    };
    let found = until("the sheets are read", read).await;
    keys.into_iter().zip(found).filter_map(|(key, sheet)| Some((key, sheet?))).collect()
}
