//! The account: an aggregate whose every entry is an event.

use std::fmt;

use cqrs_core::{Aggregate, AggregateId, Apply, DomainEvent, Handle};
use serde::{Deserialize, Serialize};

/// The number of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AccountId(String);

impl AccountId {
    /// The account with this number.
    pub fn new(number: &str) -> Self {
        Self(number.to_owned())
    }
}

/// What happens to an account. Amounts are whole đồng; every entry but the first and the last changes the balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[event(domain = "account")]
pub enum AccountEvent {
    Opened {
        owner: String,
    },
    Deposited {
        amount: i64,
    },
    Withdrawn {
        amount: i64,
    },
    TransferredOut {
        amount: i64,
        to: AccountId,
    },
    TransferredIn {
        amount: i64,
        from: AccountId,
    },
    InterestCredited {
        amount: i64,
    },
    /// An earlier entry was wrong. It stays; this one sets the balance right.
    Corrected {
        amount: i64,
        entry: u64,
    },
    Closed,
}

impl AccountEvent {
    /// By how much the balance changes.
    pub fn change(&self) -> i64 {
        match self {
            Self::Opened { .. } | Self::Closed => 0,
            Self::Withdrawn { amount } | Self::TransferredOut { amount, .. } => -amount,
            Self::Deposited { amount }
            | Self::TransferredIn { amount, .. }
            | Self::InterestCredited { amount }
            | Self::Corrected { amount, .. } => *amount,
        }
    }
}

/// Whether an account can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not opened yet.
    #[default]
    Inactive,
    Active,
    Closed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inactive => "inactive",
            Self::Active => "active",
            Self::Closed => "closed",
        })
    }
}

/// What an account is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Aggregate)]
#[aggregate(
    stream = "account",
    id = AccountId,
    event = AccountEvent,
    error = AccountError,
    snapshot(every = 100, version = 1)
)]
pub struct Account {
    pub status: Status,
    pub balance: i64,
}

impl Apply for Account {
    fn apply(&mut self, event: &AccountEvent) {
        self.balance += event.change();
        match event {
            AccountEvent::Opened { .. } => self.status = Status::Active,
            AccountEvent::Closed => self.status = Status::Closed,
            _ => {}
        }
    }
}

/// Why an account refuses a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("the account is {0}")]
    Status(Status),
    #[error("an amount is more than nothing, not {0}")]
    Amount(i64),
    #[error("the balance of {balance} does not cover {amount}")]
    InsufficientFunds { balance: i64, amount: i64 },
    #[error("the balance is {0}, not nothing")]
    NotEmpty(i64),
}

/// Open the account.
#[derive(Clone, Debug)]
pub struct Open {
    pub owner: String,
}

/// Pay in.
#[derive(Clone, Debug)]
pub struct Deposit {
    pub amount: i64,
}

/// Pay out.
#[derive(Clone, Debug)]
pub struct Withdraw {
    pub amount: i64,
}

/// Send to another account.
#[derive(Clone, Debug)]
pub struct TransferOut {
    pub amount: i64,
    pub to: AccountId,
}

/// Receive from another account.
#[derive(Clone, Debug)]
pub struct TransferIn {
    pub amount: i64,
    pub from: AccountId,
}

/// Credit interest.
#[derive(Clone, Debug)]
pub struct CreditInterest {
    pub amount: i64,
}

/// Set an earlier entry right: by so much, more or less.
#[derive(Clone, Debug)]
pub struct Correct {
    pub amount: i64,
    pub entry: u64,
}

/// Close the account, once it is empty.
#[derive(Clone, Debug)]
pub struct Close;

impl Account {
    fn active(&self) -> Result<(), AccountError> {
        match self.status {
            Status::Active => Ok(()),
            status => Err(AccountError::Status(status)),
        }
    }

    fn add(&self, amount: i64, event: AccountEvent) -> Result<Vec<AccountEvent>, AccountError> {
        self.active()?;
        if amount > 0 { Ok(vec![event]) } else { Err(AccountError::Amount(amount)) }
    }

    fn take(&self, amount: i64, event: AccountEvent) -> Result<Vec<AccountEvent>, AccountError> {
        let events = self.add(amount, event)?;
        if amount > self.balance {
            return Err(AccountError::InsufficientFunds { balance: self.balance, amount });
        }
        Ok(events)
    }
}

impl Handle<Open> for Account {
    fn handle(&self, command: &Open) -> Result<Vec<AccountEvent>, AccountError> {
        match self.status {
            Status::Inactive => Ok(vec![AccountEvent::Opened { owner: command.owner.clone() }]),
            status => Err(AccountError::Status(status)),
        }
    }
}

impl Handle<Deposit> for Account {
    fn handle(&self, &Deposit { amount }: &Deposit) -> Result<Vec<AccountEvent>, AccountError> {
        self.add(amount, AccountEvent::Deposited { amount })
    }
}

impl Handle<Withdraw> for Account {
    fn handle(&self, &Withdraw { amount }: &Withdraw) -> Result<Vec<AccountEvent>, AccountError> {
        self.take(amount, AccountEvent::Withdrawn { amount })
    }
}

impl Handle<TransferOut> for Account {
    fn handle(&self, TransferOut { amount, to }: &TransferOut) -> Result<Vec<AccountEvent>, AccountError> {
        self.take(*amount, AccountEvent::TransferredOut { amount: *amount, to: to.clone() })
    }
}

impl Handle<TransferIn> for Account {
    fn handle(&self, TransferIn { amount, from }: &TransferIn) -> Result<Vec<AccountEvent>, AccountError> {
        self.add(*amount, AccountEvent::TransferredIn { amount: *amount, from: from.clone() })
    }
}

impl Handle<CreditInterest> for Account {
    fn handle(&self, &CreditInterest { amount }: &CreditInterest) -> Result<Vec<AccountEvent>, AccountError> {
        self.add(amount, AccountEvent::InterestCredited { amount })
    }
}

impl Handle<Correct> for Account {
    fn handle(&self, &Correct { amount, entry }: &Correct) -> Result<Vec<AccountEvent>, AccountError> {
        self.active()?;
        if amount == 0 {
            return Err(AccountError::Amount(amount));
        }
        Ok(vec![AccountEvent::Corrected { amount, entry }])
    }
}

impl Handle<Close> for Account {
    fn handle(&self, _: &Close) -> Result<Vec<AccountEvent>, AccountError> {
        self.active()?;
        if self.balance != 0 {
            return Err(AccountError::NotEmpty(self.balance));
        }
        Ok(vec![AccountEvent::Closed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_testkit::{given, given_nothing};

    fn opened() -> AccountEvent {
        AccountEvent::Opened { owner: "An".to_owned() }
    }

    #[test]
    fn an_account_that_is_not_open_takes_nothing() {
        let inactive = AccountError::Status(Status::Inactive);
        given_nothing::<Account>().when(Deposit { amount: 1 }).then_error(inactive.clone());
        given_nothing::<Account>().when(Close).then_error(inactive);
    }

    #[test]
    fn money_that_is_not_there_stays_there() {
        given::<Account>([opened(), AccountEvent::Deposited { amount: 100 }])
            .when(Withdraw { amount: 101 })
            .then_error(AccountError::InsufficientFunds { balance: 100, amount: 101 });
        given::<Account>([opened(), AccountEvent::Deposited { amount: 100 }])
            .when(TransferOut { amount: 100, to: AccountId::new("ACC-002") })
            .then([AccountEvent::TransferredOut { amount: 100, to: AccountId::new("ACC-002") }]);
    }

    #[test]
    fn amounts_are_more_than_nothing() {
        given::<Account>([opened()]).when(Deposit { amount: 0 }).then_error(AccountError::Amount(0));
        given::<Account>([opened()]).when(Withdraw { amount: -5 }).then_error(AccountError::Amount(-5));
    }

    #[test]
    fn a_correction_is_an_entry_of_its_own() {
        given::<Account>([opened(), AccountEvent::Deposited { amount: 500 }])
            .when(Correct { amount: -450, entry: 2 })
            .then([AccountEvent::Corrected { amount: -450, entry: 2 }]);
    }

    #[test]
    fn only_an_empty_account_can_be_closed_and_only_once() {
        given::<Account>([opened(), AccountEvent::Deposited { amount: 5 }])
            .when(Close)
            .then_error(AccountError::NotEmpty(5));
        given::<Account>([opened()]).when(Close).then([AccountEvent::Closed]);
        given::<Account>([opened(), AccountEvent::Closed])
            .when(Open { owner: "An".to_owned() })
            .then_error(AccountError::Status(Status::Closed));
    }
}
