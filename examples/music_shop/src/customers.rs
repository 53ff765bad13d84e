//! A document for each customer.

use cqrs_core::Recorded;
use cqrs_projections::{ProjectError, Projector};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar::day_of;
use crate::customer::CustomerEvent;

/// Folds events into a document for each customer, under the customer's id.
pub struct Customers;

/// What is known of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerSummary {
    pub customer: String,
    pub joined: Date,
    pub last_purchase: Option<Date>,
    pub purchases: u64,
    pub cds: u64,
    pub cents: i64,
}

impl Projector for Customers {
    type Event = CustomerEvent;
    type Document = CustomerSummary;

    fn route(&self, event: &Recorded<CustomerEvent>, to: &mut Vec<String>) {
        to.push(event.stream.id().to_owned());
    }

    fn project(
        &self,
        event: &Recorded<CustomerEvent>,
        key: &str,
        document: Option<CustomerSummary>,
    ) -> Result<Option<CustomerSummary>, ProjectError> {
        let day = day_of(event.happened_at());
        match (&event.event, document) {
            (CustomerEvent::Joined, None) => Ok(Some(CustomerSummary {
                customer: key.to_owned(),
                joined: day,
                last_purchase: None,
                purchases: 0,
                cds: 0,
                cents: 0,
            })),
            (CustomerEvent::Purchased { cds, cents, .. }, Some(mut summary)) => {
                summary.last_purchase = summary.last_purchase.max(Some(day));
                summary.purchases += 1;
                summary.cds += u64::from(*cds);
                summary.cents += cents;
                Ok(Some(summary))
            }
            (CustomerEvent::Joined, Some(_)) => Err(ProjectError::new("the customer has joined before")),
            (CustomerEvent::Purchased { .. }, None) => Err(ProjectError::new("the customer has not joined")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_projections::testing::{event, given};
    use jiff::civil::date;

    #[test]
    fn a_customer_has_one_document() {
        let on = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
        let bought = |cds, cents| CustomerEvent::Purchased { cds, cents, spent_cents: cents };
        let expected = CustomerSummary {
            customer: "00002".to_owned(),
            joined: date(1997, 1, 12),
            last_purchase: Some(date(1997, 3, 1)),
            purchases: 2,
            cds: 6,
            cents: 8_900,
        };
        let _ = given(
            Customers,
            [
                event("customer-00002", &CustomerEvent::Joined).occurred_at(on("1997-01-12")),
                event("customer-00002", &bought(1, 1_200)).occurred_at(on("1997-01-12")),
                event("customer-00002", &bought(5, 7_700)).occurred_at(on("1997-03-01")),
            ],
        )
        .then_document("00002", &expected)
        .then_no_document("00001");
    }
}
