//! What happens to a bank account.

use cqrs_core::{DomainEvent, UpcastError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What happened to a bank account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "account")]
pub enum AccountEvent {
    /// `account.opened.v1`
    Opened {
        /// Whose account it is.
        owner: String,
    },
    /// `account.deposited.v2`; version 1 had no currency.
    #[event(version = 2, upcast_from(1 = deposited_v1))]
    Deposited {
        /// How much, in the currency's smallest unit.
        amount: i64,
        /// The currency (ISO 4217).
        currency: String,
    },
    /// `account.withdrawn.v1`
    Withdrawn {
        /// How much, in the smallest unit of the account's currency.
        amount: i64,
    },
    /// `account.closed.v1`
    Closed,
    /// `account.carried_forward.v1`: what was before need not be known any more.
    #[event(restarts)]
    CarriedForward {
        /// What the account holds, in the currency's smallest unit.
        balance: i64,
        /// Its currency (ISO 4217), once there was a deposit.
        currency: Option<String>,
    },
}

/// The bank knew one currency only when version 1 was written.
fn deposited_v1(mut event: Value) -> Result<Value, UpcastError> {
    let fields = event.as_object_mut().ok_or_else(|| UpcastError::new("a deposit is an object"))?;
    fields.insert("currency".to_owned(), json!("VND"));
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposit_of_version_1_was_in_the_only_currency_of_its_time() {
        let mut events = Vec::new();
        <AccountEvent as DomainEvent>::decode("account.deposited.v1", br#"{"amount":5}"#, &mut events).unwrap();
        assert_eq!(events, [AccountEvent::Deposited { amount: 5, currency: "VND".to_owned() }]);
    }
}
