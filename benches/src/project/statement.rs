//! What is projected: a statement for each account, from events that come to the accounts at random.

use std::collections::HashMap;

use cqrs_core::{DocumentWrite, Documents, GlobalPosition, Payload, Recorded};
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use super::place::{Place, Totals};
use crate::Error;
use crate::workload::{AccountEvent, event};

pub const PROJECTION: &str = "statements";

/// A document that every event touches, where [`Statements::with_newest`] wants it.
pub const NEWEST: &str = "newest";

/// About 250 bytes as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    pub account: String,
    pub currency: String,
    pub balance: i64,
    pub entries: u64,
    pub deposited: i64,
    pub withdrawn: i64,
    pub largest: i64,
    pub note: String,
    /// The position of the last entry.
    pub position: u64,
}

impl Statement {
    fn enter(&mut self, event: &AccountEvent) {
        let (AccountEvent::Deposited { amount, currency, note } | AccountEvent::Withdrawn { amount, currency, note }) =
            event;
        match event {
            AccountEvent::Deposited { .. } => {
                self.deposited += amount;
                self.balance += amount;
            }
            AccountEvent::Withdrawn { .. } => {
                self.withdrawn += amount;
                self.balance -= amount;
            }
        }
        self.entries += 1;
        self.largest = self.largest.max(*amount);
        self.currency.clone_from(currency);
        self.note.clone_from(note);
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Statements {
    pub partitions: u16,
    pub with_newest: bool,
}

impl Projector for Statements {
    type Event = AccountEvent;
    type Document = Statement;

    fn partitions(&self) -> u16 {
        self.partitions
    }

    fn route(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) {
        to.push(event.stream.id().to_owned());
        if self.with_newest {
            to.push(NEWEST.to_owned());
        }
    }

    fn project(
        &self,
        event: &Recorded<AccountEvent>,
        key: &str,
        document: Option<Statement>,
    ) -> Result<Option<Statement>, ProjectError> {
        let mut statement = document.unwrap_or_else(|| Statement { account: key.to_owned(), ..Statement::default() });
        statement.enter(&event.event);
        statement.position = event.position.get();
        Ok(Some(statement))
    }
}

/// Which account an event is about: any of them, the same one in every run.
pub fn account(number: u64, accounts: u64) -> u64 {
    // The finalizer of SplitMix64.
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % accounts
}

/// The documents as they have to be, folded without the framework.
pub struct Oracle(HashMap<String, Statement>);

impl Oracle {
    pub fn new(numbers: impl Iterator<Item = u64>, accounts: u64, with_newest: bool) -> Self {
        let mut statements: HashMap<u64, Statement> = HashMap::new();
        let mut newest = Statement::default();
        for number in numbers {
            let event = event(number);
            statements.entry(account(number, accounts)).or_default().enter(&event);
            newest.enter(&event);
        }
        let named = |(account, statement): (u64, Statement)| (account.to_string(), statement);
        let newest = with_newest.then(|| (NEWEST.to_owned(), newest));
        let all = statements.into_iter().map(named).chain(newest);
        Self(all.map(|(account, statement)| (account.clone(), Statement { account, ..statement })).collect())
    }

    /// The same documents, to be written by a bare client.
    pub fn writes(&self) -> Result<Vec<DocumentWrite>, Error> {
        let write = |(key, statement): (&String, &Statement)| {
            let document = Some(Payload::encode(statement)?);
            Ok(DocumentWrite { key: key.clone(), document, position: GlobalPosition::new(1) })
        };
        self.0.iter().map(write).collect()
    }

    /// Compares every document that the read model has; their count and the sum of their balances follow from that, and are
    /// asked of the server as well.
    pub async fn check(&self, place: &dyn Place) -> Result<(), Error> {
        let documents = Documents::<Statement>::new(place.model(), PROJECTION)?;
        let keys: Vec<_> = self.0.keys().cloned().collect();
        for keys in keys.chunks(1_000) {
            for (key, found) in keys.iter().zip(documents.get_many(keys).await?) {
                let (found, expected) = (found.ok_or_else(|| format!("account {key} has no document"))?, &self.0[key]);
                // They depend on the order in which concurrent appends were committed.
                let (note, position) = (expected.note.clone(), expected.position);
                if (Statement { note, position, ..found.clone() }) != *expected {
                    return Err(format!("{found:?} is stored, the events give {expected:?}").into());
                }
            }
        }
        let (stored, expected) = (place.totals().await?, self.totals());
        match stored {
            Some(stored) if stored != expected => {
                Err(format!("the sink holds {stored:?}, the events give {expected:?}").into())
            }
            _ => Ok(()),
        }
    }

    fn totals(&self) -> Totals {
        let balance = self.0.values().map(|statement| statement.balance).sum();
        Totals { documents: self.0.len() as u64, balance }
    }
}
