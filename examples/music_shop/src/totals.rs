//! One document for the whole shop: its totals, and the ten best customers.

use std::cmp::Reverse;
use std::fmt;

use cqrs_core::Recorded;
use cqrs_projections::{ProjectError, Projector};
use serde::{Deserialize, Serialize};

use crate::customer::CustomerEvent;
use crate::figures::{Figures, dollars};

/// How many of the best customers are kept.
const BEST: usize = 10;

/// Folds the events of all customers into one document.
pub struct ShopTotals;

impl ShopTotals {
    /// The key of the document.
    pub const KEY: &str = "all";
}

/// The whole shop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub purchases: u64,
    pub customers: u64,
    pub cds: u64,
    pub cents: i64,
    /// The ten customers who have spent most, the best one first.
    pub best: Vec<BestCustomer>,
}

/// A customer and what they have spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestCustomer {
    pub customer: String,
    pub cents: i64,
}

impl Totals {
    /// The numbers without the names.
    pub fn figures(&self) -> Figures {
        Figures { purchases: self.purchases, customers: self.customers, cds: self.cds, cents: self.cents }
    }

    /// Puts a customer in their place. What a customer has spent never falls: one who is not among the best now can get
    /// there by an event of their own only, and that event says how much they have spent in all. So ten are enough.
    fn rank(&mut self, customer: &str, cents: i64) {
        self.best.retain(|other| other.customer != customer);
        let order = |one: &BestCustomer| (Reverse(one.cents), one.customer.clone());
        let entry = BestCustomer { customer: customer.to_owned(), cents };
        let place = self.best.partition_point(|other| order(other) < order(&entry));
        self.best.insert(place, entry);
        self.best.truncate(BEST);
    }
}

impl fmt::Display for BestCustomer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "customer {}  {:>17}", self.customer, dollars(self.cents))
    }
}

impl Projector for ShopTotals {
    type Event = CustomerEvent;
    type Document = Totals;

    fn route(&self, _event: &Recorded<CustomerEvent>, to: &mut Vec<String>) {
        to.push(Self::KEY.to_owned());
    }

    fn project(
        &self,
        event: &Recorded<CustomerEvent>,
        _key: &str,
        document: Option<Totals>,
    ) -> Result<Option<Totals>, ProjectError> {
        let mut totals = document.unwrap_or_default();
        match &event.event {
            CustomerEvent::Joined => totals.customers += 1,
            CustomerEvent::Purchased { cds, cents, spent_cents } => {
                totals.purchases += 1;
                totals.cds += u64::from(*cds);
                totals.cents += cents;
                totals.rank(event.stream.id(), *spent_cents);
            }
        }
        Ok(Some(totals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_ten_are_kept_in_order_and_each_once() {
        let mut totals = Totals::default();
        for customer in 0..20 {
            totals.rank(&format!("{customer:05}"), 100);
        }
        totals.rank("00019", 300);
        totals.rank("00003", 200);
        totals.rank("00019", 400);
        let best: Vec<_> = totals.best.iter().map(|one| (one.customer.as_str(), one.cents)).collect();
        let (first, others) = best.split_at(2);
        assert_eq!(first, [("00019", 400), ("00003", 200)]);
        assert_eq!(others.iter().map(|one| one.0).collect::<String>(), "0000000001000020000400005000060000700008");
    }
}
