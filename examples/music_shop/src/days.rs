//! A document for each day.

use cqrs_core::Recorded;
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::calendar::day_of;
use crate::customer::CustomerEvent;
use crate::figures::Figures;

/// Folds the events of all customers into a document for each day on which something happened, under its date
/// (`1997-01-31`). It is the occurred time that counts: the day of the import is of no interest.
pub struct Days;

/// What happened on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    pub purchases: u64,
    pub new_customers: u64,
    pub cds: u64,
    pub cents: i64,
}

impl From<Day> for Figures {
    fn from(day: Day) -> Self {
        Self { purchases: day.purchases, customers: day.new_customers, cds: day.cds, cents: day.cents }
    }
}

impl Projector for Days {
    type Event = CustomerEvent;
    type Document = Day;

    fn route(&self, event: &Recorded<CustomerEvent>, to: &mut Vec<String>) {
        to.push(day_of(event.happened_at()).to_string());
    }

    fn project(
        &self,
        event: &Recorded<CustomerEvent>,
        _key: &str,
        document: Option<Day>,
    ) -> Result<Option<Day>, ProjectError> {
        let mut day = document.unwrap_or_default();
        match &event.event {
            CustomerEvent::Joined => day.new_customers += 1,
            CustomerEvent::Purchased { cds, cents, .. } => {
                day.purchases += 1;
                day.cds += u64::from(*cds);
                day.cents += cents;
            }
        }
        Ok(Some(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_projections::testing::{event, given};

    #[test]
    fn what_happened_on_a_day_is_in_its_document_whenever_it_was_recorded() {
        let on = |day: &str| format!("{day}T00:00:00Z").parse().unwrap();
        let bought = |cents| CustomerEvent::Purchased { cds: 1, cents, spent_cents: cents };
        let _ = given(
            Days,
            [
                event("customer-00002", &CustomerEvent::Joined).occurred_at(on("1997-01-31")),
                event("customer-00002", &bought(500)).occurred_at(on("1997-01-31")),
                event("customer-00001", &CustomerEvent::Joined).occurred_at(on("1997-01-30")),
                event("customer-00001", &bought(100)).occurred_at(on("1997-01-30")),
                event("customer-00001", &bought(200)).occurred_at(on("1997-01-31")),
            ],
        )
        .then_document("1997-01-30", &Day { purchases: 1, new_customers: 1, cds: 1, cents: 100 })
        .then_document("1997-01-31", &Day { purchases: 2, new_customers: 1, cds: 2, cents: 700 })
        .then_no_document("1997-02-01");
    }
}
