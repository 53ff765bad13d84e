//! What is written and read: events of about 200 bytes of an account.

use cqrs_core::{Aggregate, Apply, DomainEvent, Handle, NewEvent, StreamName};
use serde::{Deserialize, Serialize};

use crate::Error;

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
pub enum AccountEvent {
    Deposited { amount: i64, currency: String, note: String },
    Withdrawn { amount: i64, currency: String, note: String },
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {}

#[derive(Debug, Clone, Default, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "account", id = String, event = AccountEvent, error = AccountError, snapshot(every = 1000, version = 1))]
pub struct Account {
    pub balance: i64,
    pub entries: u64,
}

impl Apply for Account {
    fn apply(&mut self, event: &AccountEvent) {
        self.entries += 1;
        match event {
            AccountEvent::Deposited { amount, .. } => self.balance += amount,
            AccountEvent::Withdrawn { amount, .. } => self.balance -= amount,
        }
    }
}

/// Payload and metadata have about 200 bytes together.
pub fn event(number: u64) -> AccountEvent {
    let amount = (number % 1_000) as i64;
    let (currency, note) = ("VND".to_owned(), format!("entry {number:>20} of a monthly statement, by standing order"));
    match number % 3 {
        0 => AccountEvent::Withdrawn { amount, currency, note },
        _ => AccountEvent::Deposited { amount, currency, note },
    }
}

pub fn new_event(stream: &StreamName, number: u64) -> Result<NewEvent, Error> {
    Ok(NewEvent::encode(stream.clone(), &event(number))?)
}

/// One entry on an account; its number makes it different from the others.
pub struct Enter(pub u64);

impl Handle<Enter> for Account {
    fn handle(&self, command: &Enter) -> Result<Vec<AccountEvent>, AccountError> {
        Ok(vec![event(command.0)])
    }
}
