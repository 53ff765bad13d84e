//! What can be asked of a bank account.

use cqrs_core::{Command, Handle};

use super::{Account, AccountError, AccountEvent, Status};

/// Opens an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Whose account it is.
    pub owner: String,
}

/// Puts money into an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// How much, in the currency's smallest unit.
    pub amount: i64,
    /// The currency (ISO 4217).
    pub currency: String,
}

impl Deposit {
    /// A deposit of `amount` in `currency`.
    pub fn new(amount: i64, currency: impl Into<String>) -> Self {
        Self { amount, currency: currency.into() }
    }
}

/// Takes money out of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdraw {
    /// How much, in the smallest unit of the account's currency.
    pub amount: i64,
}

/// Closes an empty account. Closing a closed account does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close;

/// Sums up what an open account holds, so that its stream can be truncated before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarryForward;

impl Handle<Open> for Account {
    fn handle(&self, command: &Open) -> Result<Vec<AccountEvent>, AccountError> {
        match self.status() {
            Status::Inactive => Ok(vec![AccountEvent::Opened { owner: command.owner.clone() }]),
            Status::Active | Status::Closed => Err(AccountError::AlreadyOpened),
        }
    }
}

impl Handle<Deposit> for Account {
    fn handle(&self, command: &Deposit) -> Result<Vec<AccountEvent>, AccountError> {
        self.check_open()?;
        check_positive(command.amount)?;
        if let Some(held) = self.currency().filter(|held| *held != command.currency) {
            return Err(AccountError::OtherCurrency { held: held.to_owned(), offered: command.currency.clone() });
        }
        if self.balance().checked_add(command.amount).is_none() {
            return Err(AccountError::TooMuch);
        }
        Ok(vec![AccountEvent::Deposited { amount: command.amount, currency: command.currency.clone() }])
    }
}

impl Handle<Withdraw> for Account {
    fn handle(&self, command: &Withdraw) -> Result<Vec<AccountEvent>, AccountError> {
        self.check_open()?;
        check_positive(command.amount)?;
        if command.amount > self.balance() {
            return Err(AccountError::InsufficientFunds { balance: self.balance(), amount: command.amount });
        }
        Ok(vec![AccountEvent::Withdrawn { amount: command.amount }])
    }
}

impl Handle<Close> for Account {
    fn handle(&self, _: &Close) -> Result<Vec<AccountEvent>, AccountError> {
        match self.status() {
            Status::Inactive => Err(AccountError::NotOpen),
            Status::Closed => Ok(vec![]),
            Status::Active if self.balance() != 0 => Err(AccountError::NotEmpty { balance: self.balance() }),
            Status::Active => Ok(vec![AccountEvent::Closed]),
        }
    }
}

impl Handle<CarryForward> for Account {
    fn handle(&self, _: &CarryForward) -> Result<Vec<AccountEvent>, AccountError> {
        self.check_open()?;
        let currency = self.currency().map(str::to_owned);
        Ok(vec![AccountEvent::CarriedForward { balance: self.balance(), currency }])
    }
}

impl Command for Open {
    type Aggregate = Account;
}

impl Command for Deposit {
    type Aggregate = Account;
}

impl Command for Withdraw {
    type Aggregate = Account;
}

impl Command for Close {
    type Aggregate = Account;
}

impl Command for CarryForward {
    type Aggregate = Account;
}

fn check_positive(amount: i64) -> Result<(), AccountError> {
    if amount > 0 { Ok(()) } else { Err(AccountError::NotPositive { amount }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{given, given_nothing};

    fn opened() -> AccountEvent {
        AccountEvent::Opened { owner: "Ann".to_owned() }
    }

    fn deposited(amount: i64) -> AccountEvent {
        AccountEvent::Deposited { amount, currency: "VND".to_owned() }
    }

    #[test]
    fn an_account_is_opened_once() {
        let open = || Open { owner: "Ann".to_owned() };
        given_nothing::<Account>().when(open()).then([opened()]);
        given::<Account>([opened()]).when(open()).then_error(AccountError::AlreadyOpened);
        given::<Account>([opened(), AccountEvent::Closed]).when(open()).then_error(AccountError::AlreadyOpened);
    }

    #[test]
    fn money_goes_into_an_open_account_in_its_currency() {
        given::<Account>([opened()]).when(Deposit::new(5, "VND")).then([deposited(5)]);
        given::<Account>([opened()]).when(Deposit::new(0, "VND")).then_error(AccountError::NotPositive { amount: 0 });
        given_nothing::<Account>().when(Deposit::new(5, "VND")).then_error(AccountError::NotOpen);
        given::<Account>([opened(), deposited(5)])
            .when(Deposit::new(5, "EUR"))
            .then_error(AccountError::OtherCurrency { held: "VND".to_owned(), offered: "EUR".to_owned() });
        given::<Account>([opened(), deposited(i64::MAX)])
            .when(Deposit::new(1, "VND"))
            .then_error(AccountError::TooMuch);
    }

    #[test]
    fn no_more_money_comes_out_than_is_in() {
        given::<Account>([opened(), deposited(5)])
            .when(Withdraw { amount: 5 })
            .then([AccountEvent::Withdrawn { amount: 5 }]);
        given::<Account>([opened(), deposited(5)])
            .when(Withdraw { amount: 6 })
            .then_error(AccountError::InsufficientFunds { balance: 5, amount: 6 });
        given::<Account>([opened(), AccountEvent::Closed])
            .when(Withdraw { amount: 1 })
            .then_error(AccountError::Closed);
    }

    #[test]
    fn what_an_open_account_holds_is_carried_forward() {
        let carried = AccountEvent::CarriedForward { balance: 5, currency: Some("VND".to_owned()) };
        given::<Account>([opened(), deposited(5)]).when(CarryForward).then([carried.clone()]);
        given::<Account>([carried]).when(Withdraw { amount: 5 }).then([AccountEvent::Withdrawn { amount: 5 }]);
        given::<Account>([opened(), AccountEvent::Closed]).when(CarryForward).then_error(AccountError::Closed);
    }

    #[test]
    fn an_empty_account_is_closed_once() {
        given::<Account>([opened()]).when(Close).then([AccountEvent::Closed]);
        given::<Account>([opened(), AccountEvent::Closed]).when(Close).then_nothing();
        given::<Account>([opened(), deposited(5)]).when(Close).then_error(AccountError::NotEmpty { balance: 5 });
    }
}
