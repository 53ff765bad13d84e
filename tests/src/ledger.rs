//! Accounts that move money to each other: what is lost, doubled, reordered or half done shows in their sheets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use cqrs_core::{
    Append, AppendError, Documents, DomainEvent, EventStore, GlobalPosition, NewEvent, ReadModel, Recorded, StreamName,
};
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::database::log_of;
use crate::sink::found;
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

fn moved(seed: u64) -> NewEvent {
    let (from, to) = (seed % ACCOUNTS, (seed + 1 + seed / 3 % (ACCOUNTS - 1)) % ACCOUNTS);
    encoded(&LedgerEvent::Moved { from, to, amount: 1 + (seed % 50) as i64 })
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
    append(store, some(seed)).await
}

/// Money that moves, and at times an account that is closed.
///
/// # Panics
/// Never: the events can be encoded.
#[must_use]
pub fn some(seed: u64) -> Vec<NewEvent> {
    let mut events = vec![moved(seed), moved(seed * 7 + 3)];
    if seed.is_multiple_of(19) {
        events.push(encoded(&LedgerEvent::Closed { account: seed % ACCOUNTS }));
    }
    events
}

/// Each account has a stream of its own, so that a sheet is fed by many.
fn encoded(event: &LedgerEvent) -> NewEvent {
    let (LedgerEvent::Moved { from: account, .. } | LedgerEvent::Closed { account }) = event;
    NewEvent::encode(StreamName::of("ledger", account).unwrap(), event).unwrap()
}

/// Appends them, however long the store is away.
///
/// # Panics
/// When they are not written.
pub async fn append(store: &dyn EventStore, events: Vec<NewEvent>) -> GlobalPosition {
    let append = Append::new(events);
    until("the events are written", || async {
        match store.append(append.clone()).await {
            Ok(appended) => Some(appended.position),
            // Sent again, they are not written twice.
            Err(AppendError::Transient(_) | AppendError::Unknown { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    })
    .await
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
    for event in log_of::<LedgerEvent>(store).await.into_iter().filter(|event| event.position <= position) {
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
    found(sheets, keys).await
}
