//! A document for each account, for those who want to know the balance.

use cqrs_core::{Recorded, Timestamp};
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::account::{AccountEvent, Status};

/// Folds events into a document for each account, under its number.
pub struct AccountSummaries;

/// What is shown of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    pub account: String,
    pub owner: String,
    pub status: Status,
    pub balance: i64,
    pub entries: u64,
    /// When the newest entry happened.
    pub last_entry: Timestamp,
}

impl Projector for AccountSummaries {
    type Event = AccountEvent;
    type Document = AccountSummary;

    fn route(&self, event: &Recorded<AccountEvent>, to: &mut Vec<String>) {
        to.push(event.stream.id().to_owned());
    }

    fn project(
        &self,
        event: &Recorded<AccountEvent>,
        key: &str,
        document: Option<AccountSummary>,
    ) -> Result<Option<AccountSummary>, ProjectError> {
        let mut summary = match (&event.event, document) {
            (_, Some(summary)) => summary,
            (AccountEvent::Opened { owner }, None) => AccountSummary {
                account: key.to_owned(),
                owner: owner.clone(),
                status: Status::Active,
                balance: 0,
                entries: 0,
                last_entry: event.happened_at(),
            },
            _ => return Err(ProjectError::new("the account was never opened")),
        };
        summary.balance += event.event.change();
        summary.entries += 1;
        summary.last_entry = summary.last_entry.max(event.happened_at());
        if event.event == AccountEvent::Closed {
            summary.status = Status::Closed;
        }
        Ok(Some(summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_projections::testing::{event, given};

    #[test]
    fn an_account_has_one_document_from_its_opening_to_its_end() {
        let at = |time: &str| time.parse().unwrap();
        let expected = AccountSummary {
            account: "ACC-001".to_owned(),
            owner: "An".to_owned(),
            status: Status::Closed,
            balance: 0,
            entries: 4,
            last_entry: at("2024-01-04T00:00:00Z"),
        };
        let _ = given(
            AccountSummaries,
            [
                event("account-ACC-001", &AccountEvent::Opened { owner: "An".to_owned() })
                    .occurred_at(at("2024-01-01T00:00:00Z")),
                event("account-ACC-001", &AccountEvent::Deposited { amount: 5 })
                    .occurred_at(at("2024-01-02T00:00:00Z")),
                event("account-ACC-001", &AccountEvent::Withdrawn { amount: 5 })
                    .occurred_at(at("2024-01-04T00:00:00Z")),
                event("account-ACC-001", &AccountEvent::Closed).occurred_at(at("2024-01-03T00:00:00Z")),
            ],
        )
        .then_document("ACC-001", &expected)
        .then_no_document("ACC-002");
    }
}
