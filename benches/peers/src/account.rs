//! The account that every library keeps: its rules, and what it ought to come to.

use bincode::{Decode, Encode};
use cqrs_core::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
pub enum AccountEvent {
    Opened { owner: String },
    Deposited { amount: i64, currency: String, note: String },
    Withdrawn { amount: i64, currency: String, note: String },
}

#[derive(Debug, Clone)]
pub enum Command {
    Open,
    /// The entries with these numbers, as one decision.
    Enter(std::ops::Range<u64>),
}

#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    #[error("the account is open already")]
    AlreadyOpen,
    #[error("the account is not open")]
    NotOpen,
    #[error("the balance is {0}")]
    Insufficient(i64),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Encode, Decode, Aggregate)]
#[aggregate(stream = "account", id = uuid::Uuid, event = AccountEvent, error = Rejected, snapshot(every = 100, version = 1))]
pub struct Account {
    pub open: bool,
    pub balance: i64,
}

impl Account {
    pub fn decide(&self, command: &Command) -> Result<Vec<AccountEvent>, Rejected> {
        match command {
            Command::Open if self.open => Err(Rejected::AlreadyOpen),
            Command::Open => Ok(vec![AccountEvent::Opened { owner: "the owner of the account".to_owned() }]),
            Command::Enter(_) if !self.open => Err(Rejected::NotOpen),
            Command::Enter(numbers) => {
                let mut then = self.clone();
                let mut events = Vec::new();
                for event in numbers.clone().map(entry) {
                    then.record(&event);
                    if then.balance < 0 {
                        return Err(Rejected::Insufficient(then.balance));
                    }
                    events.push(event);
                }
                Ok(events)
            }
        }
    }

    pub fn record(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { .. } => self.open = true,
            AccountEvent::Deposited { amount, .. } => self.balance += amount,
            AccountEvent::Withdrawn { amount, .. } => self.balance -= amount,
        }
    }

    /// The balance after this many entries.
    pub fn balance_after(entries: u64) -> i64 {
        let mut account = Self::default();
        (0..entries).map(entry).for_each(|event| account.record(&event));
        account.balance
    }
}

/// Two deposits, then a withdrawal of less; about 200 bytes with what a library records beside it. The amounts differ, so
/// that an entry that is lost or counted twice shows in the balance.
fn entry(number: u64) -> AccountEvent {
    let amount = (number % 1_000) as i64;
    let (currency, note) = ("VND".to_owned(), format!("entry {number:>20} of a monthly statement, by standing order"));
    match number % 3 {
        2 => AccountEvent::Withdrawn { amount, currency, note },
        _ => AccountEvent::Deposited { amount: 1_000 + amount, currency, note },
    }
}
