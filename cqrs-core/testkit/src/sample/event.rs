//! What happens to a bank account.

use cqrs_core::{DomainEvent, UpcastError, Upcasted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What happened to a bank account.
///
/// The bank's first program recorded `account.corrected.v1 {wrong, right}` where today's withdraws and deposits, and
/// `account.statement_printed.v1`, which tells nothing about an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(
    domain = "account",
    retired("account.corrected.v1" = corrected_v1),
    dropped("account.statement_printed.v1")
)]
pub enum AccountEvent {
    /// `account.opened.v1`; it was recorded as `account.created.v1` before.
    #[event(renamed_from("account.created"))]
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

/// An account as former programs of the bank recorded it: event types and payloads. It holds 0, 100, 100, 80 and 100 VND after
/// each of them.
pub const FORMER_ACCOUNT: [(&str, &str); 5] = [
    ("account.created.v1", r#"{"owner":"Ann","branch":{"number":7}}"#),
    ("account.deposited.v1", r#"{"amount":100}"#),
    ("account.statement_printed.v1", r#"{"pages":[1,2]}"#),
    ("account.corrected.v1", r#"{"wrong":100,"right":80}"#),
    ("account.deposited.v2", r#"{"amount":20,"currency":"VND"}"#),
];

/// The bank knew one currency only when version 1 was written.
fn deposited_v1(mut event: Value) -> Result<Value, UpcastError> {
    let fields = event.as_object_mut().ok_or_else(|| UpcastError::new("a deposit is an object"))?;
    fields.insert("currency".to_owned(), json!("VND"));
    Ok(event)
}

fn corrected_v1(event: Value) -> Result<Vec<Upcasted>, UpcastError> {
    let amount = |field: &str| event[field].as_i64().ok_or_else(|| UpcastError::new(format!("{field} is no amount")));
    Ok(vec![
        Upcasted::new("account.withdrawn.v1", json!({ "amount": amount("wrong")? })),
        Upcasted::new("account.deposited.v1", json!({ "amount": amount("right")? })),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_was_a_withdrawal_and_a_deposit() {
        let mut events = Vec::new();
        let recorded = br#"{"wrong":9,"right":5}"#;
        <AccountEvent as DomainEvent>::decode("account.corrected.v1", recorded, &mut events).unwrap();
        let deposited = AccountEvent::Deposited { amount: 5, currency: "VND".to_owned() };
        assert_eq!(events, [AccountEvent::Withdrawn { amount: 9 }, deposited]);
    }

    #[test]
    fn a_deposit_of_version_1_was_in_the_only_currency_of_its_time() {
        let mut events = Vec::new();
        <AccountEvent as DomainEvent>::decode("account.deposited.v1", br#"{"amount":5}"#, &mut events).unwrap();
        assert_eq!(events, [AccountEvent::Deposited { amount: 5, currency: "VND".to_owned() }]);
    }
}
