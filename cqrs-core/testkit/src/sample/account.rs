//! A bank account and its state.

use cqrs_core::{Aggregate, AggregateId, Apply};
use serde::{Deserialize, Serialize};

use super::AccountEvent;

/// The number of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
pub struct AccountId(String);

impl AccountId {
    /// The account with this number.
    pub fn new(number: impl Into<String>) -> Self {
        Self(number.into())
    }
}

/// Where an account stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Status {
    /// Not opened yet.
    #[default]
    Inactive,
    /// Open.
    Active,
    /// Closed for good.
    Closed,
}

/// Why a bank account rejects a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// It was never opened.
    #[error("the account is not open")]
    NotOpen,
    /// It was opened before.
    #[error("the account was opened before")]
    AlreadyOpened,
    /// It is closed.
    #[error("the account is closed")]
    Closed,
    /// It holds money, so that it cannot be closed.
    #[error("the account still holds {balance}")]
    NotEmpty {
        /// What it holds.
        balance: i64,
    },
    /// It holds less than was asked for.
    #[error("{amount} was asked for, but the account holds {balance}")]
    InsufficientFunds {
        /// What it holds.
        balance: i64,
        /// What was asked for.
        amount: i64,
    },
    /// An amount is zero or negative.
    #[error("{amount} is not positive")]
    NotPositive {
        /// The amount.
        amount: i64,
    },
    /// The account is kept in another currency.
    #[error("the account is in {held}, not in {offered}")]
    OtherCurrency {
        /// The account's currency.
        held: String,
        /// The currency of the deposit.
        offered: String,
    },
    /// The account cannot hold so much.
    #[error("the account cannot hold so much")]
    TooMuch,
}

/// A bank account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Aggregate)]
#[aggregate(
    stream = "account",
    id = AccountId,
    event = AccountEvent,
    error = AccountError,
    snapshot(every = 100, version = 1)
)]
pub struct Account {
    balance: i64,
    currency: Option<String>,
    status: Status,
}

impl Account {
    /// What it holds, in the smallest unit of its currency.
    #[must_use]
    pub const fn balance(&self) -> i64 {
        self.balance
    }

    /// Its currency: that of the first deposit.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        self.currency.as_deref()
    }

    /// Where it stands in its life.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    pub(super) const fn check_open(&self) -> Result<(), AccountError> {
        match self.status {
            Status::Inactive => Err(AccountError::NotOpen),
            Status::Active => Ok(()),
            Status::Closed => Err(AccountError::Closed),
        }
    }
}

impl Apply for Account {
    fn apply(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::Opened { .. } => self.status = Status::Active,
            AccountEvent::Deposited { amount, currency } => {
                self.balance = self.balance.saturating_add(*amount);
                self.currency.get_or_insert_with(|| currency.clone());
            }
            AccountEvent::Withdrawn { amount } => self.balance = self.balance.saturating_sub(*amount),
            AccountEvent::Closed => self.status = Status::Closed,
            AccountEvent::CarriedForward { balance, currency } => {
                *self = Self { balance: *balance, currency: currency.clone(), status: Status::Active };
            }
        }
    }
}
