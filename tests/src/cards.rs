//! Cards: the accounts of the ledger beside the names of their owners, joined from two aggregates. What is folded with the
//! wrong name, or with a name at the wrong time, shows.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::{DomainEvent, EventSet, EventStore, GlobalPosition, NewEvent, ReadModel, Recorded, StreamName};
use cqrs_projections::{JoinProjector, Lookups, ProjectError};
use serde::{Deserialize, Serialize};

use crate::database::log_of;
use crate::ledger::{self, ACCOUNTS, LedgerEvent};
use crate::sink::documents;

/// The projection.
pub const NAME: &str = "cards";
/// How many own the accounts.
const OWNERS: u64 = 7;

/// What happens to owners.
#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "owner")]
pub enum OwnerEvent {
    /// They have a name, or another one.
    Named {
        /// The owner.
        owner: u64,
        /// The name.
        name: String,
    },
    /// Nothing is known of them any more.
    Forgotten {
        /// The owner.
        owner: u64,
    },
}

/// What cards are made of.
#[derive(Debug, Clone, EventSet)]
pub enum CardEvent {
    /// An account's.
    Ledger(LedgerEvent),
    /// An owner's.
    Owner(OwnerEvent),
}

use CardEvent::{Ledger, Owner};
use LedgerEvent::{Closed, Moved};
use OwnerEvent::{Forgotten, Named};

/// An account and who owns it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Card {
    /// The name of the owner, when there is one.
    pub owner: Option<String>,
    /// What it has.
    pub balance: i64,
    /// How many events have touched it, those of its owner among them.
    pub events: u64,
    /// Differs for each order of the events, and for each name that was shown meanwhile.
    pub trail: i64,
}

impl Card {
    fn show(&mut self, amount: i64, owner: Option<&Holder>) {
        self.owner = owner.and_then(|owner| owner.name.clone());
        self.balance += amount;
        self.events += 1;
        let name = self.owner.iter().flat_map(|name| name.bytes()).map(i64::from);
        self.trail = name.chain([amount]).fold(self.trail, |trail, next| trail.wrapping_mul(31).wrapping_add(next));
    }
}

/// An owner, as cards look them up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Holder {
    name: Option<String>,
    accounts: BTreeSet<u64>,
}

/// A card for each account, over so many partitions.
#[derive(Debug)]
pub struct Cards(pub u16);

fn owner_of(account: u64) -> u64 {
    account % OWNERS
}

/// An owner and their cards lie in one partition.
fn holder(owner: u64) -> String {
    format!("{{owner-{owner}}}")
}

fn card(account: u64) -> String {
    format!("{}account-{account}", holder(owner_of(account)))
}

impl JoinProjector for Cards {
    type Event = CardEvent;
    type Lookup = Holder;
    type Document = Card;

    fn partitions(&self) -> u16 {
        self.0
    }

    fn lookups(&self, event: &Recorded<CardEvent>, to: &mut Vec<String>) {
        match event.event {
            Ledger(Moved { from, to: other, .. }) => to.extend([from, other].map(|account| holder(owner_of(account)))),
            Ledger(Closed { account }) => to.push(holder(owner_of(account))),
            Owner(Named { owner, .. } | Forgotten { owner }) => to.push(holder(owner)),
        }
    }

    fn look_up(
        &self,
        event: &Recorded<CardEvent>,
        key: &str,
        lookup: Option<Holder>,
    ) -> Result<Option<Holder>, ProjectError> {
        let mut found = lookup.unwrap_or_default();
        match &event.event {
            Ledger(Moved { from, to, .. }) => {
                found.accounts.extend([*from, *to].into_iter().filter(|account| holder(owner_of(*account)) == key));
            }
            Ledger(Closed { account }) => drop(found.accounts.remove(account)),
            Owner(Named { name, .. }) => found.name = Some(name.clone()),
            Owner(Forgotten { .. }) => return Ok(None),
        }
        Ok(Some(found))
    }

    fn route(&self, event: &Recorded<CardEvent>, lookups: &Lookups<'_, Holder>, to: &mut Vec<String>) {
        match event.event {
            Ledger(Moved { from, to: other, .. }) => to.extend([from, other].map(card)),
            Ledger(Closed { account }) => to.push(card(account)),
            Owner(Named { owner, .. } | Forgotten { owner }) => {
                let found = lookups.get(&holder(owner));
                to.extend(found.iter().flat_map(|found| found.accounts.iter().map(|account| card(*account))));
            }
        }
    }

    fn project(
        &self,
        event: &Recorded<CardEvent>,
        key: &str,
        document: Option<Card>,
        lookups: &Lookups<'_, Holder>,
    ) -> Result<Option<Card>, ProjectError> {
        let (owner, amount) = match event.event {
            Ledger(Moved { from, amount, .. }) if card(from) == key => (owner_of(from), -amount),
            Ledger(Moved { to, amount, .. }) => (owner_of(to), amount),
            Ledger(Closed { .. }) => return Ok(None),
            Owner(Named { owner, .. } | Forgotten { owner }) => (owner, 0),
        };
        let mut shown = document.unwrap_or_default();
        shown.show(amount, lookups.get(&holder(owner)).as_deref());
        Ok(Some(shown))
    }
}

/// Goes on with the ledger, and at times with the owners.
///
/// # Panics
/// When it is not written.
pub async fn go_on(store: &dyn EventStore, seed: u64) -> GlobalPosition {
    let mut events = ledger::some(seed);
    let encoded = |owner, event| NewEvent::encode(StreamName::of("owner", &owner).unwrap(), &event).unwrap();
    if seed.is_multiple_of(3) {
        let owner = seed / 3 % OWNERS;
        events.push(encoded(owner, Named { owner, name: format!("name {seed}") }));
    }
    if seed.is_multiple_of(37) {
        let owner = seed / 37 % OWNERS;
        events.push(encoded(owner, Forgotten { owner }));
    }
    ledger::append(store, events).await
}

/// The cards as they should be, without the projector.
///
/// # Panics
/// When the log cannot be read.
pub async fn folded(store: &dyn EventStore) -> BTreeMap<String, Card> {
    let (mut cards, mut holders) = (BTreeMap::<u64, Card>::new(), BTreeMap::<u64, Holder>::new());
    for event in log_of::<CardEvent>(store).await {
        let mut shown = Vec::new();
        match event.event {
            Ledger(Moved { from, to, amount }) => {
                for (account, amount) in [(from, -amount), (to, amount)] {
                    holders.entry(owner_of(account)).or_default().accounts.insert(account);
                    shown.push((account, amount));
                }
            }
            Ledger(Closed { account }) => {
                holders.entry(owner_of(account)).or_default().accounts.remove(&account);
                cards.remove(&account);
            }
            Owner(Named { owner, name }) => {
                let holder = holders.entry(owner).or_default();
                holder.name = Some(name);
                shown.extend(holder.accounts.iter().map(|account| (*account, 0)));
            }
            Owner(Forgotten { owner }) => drop(holders.remove(&owner)),
        }
        for (account, amount) in shown {
            cards.entry(account).or_default().show(amount, holders.get(&owner_of(account)));
        }
    }
    cards.into_iter().map(|(account, shown)| (card(account), shown)).collect()
}

/// The cards as they are.
///
/// # Panics
/// When they cannot be read.
pub async fn kept(model: &(impl ReadModel + Clone)) -> BTreeMap<String, Card> {
    documents(model, NAME, (0..ACCOUNTS).map(card).collect()).await
}
