//! The same purchases added up without any events: what every figure of the shop is checked against.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::civil::Date;

use crate::customer::CustomerId;
use crate::figures::Figures;
use crate::input::Line;
use crate::totals::BestCustomer;

/// The purchases by day and by customer.
#[derive(Debug, Default)]
pub struct Ledger {
    days: BTreeMap<Date, Figures>,
    customers: BTreeMap<CustomerId, Vec<Line>>,
}

impl Ledger {
    /// Adds up purchases that are ordered by customer and day.
    pub fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut ledger = Self::default();
        for line in lines {
            let before = ledger.customers.entry(line.customer).or_default();
            let day = ledger.days.entry(line.day).or_default();
            day.purchases += 1;
            day.customers += u64::from(before.is_empty());
            day.cds += u64::from(line.purchase.cds);
            day.cents += line.purchase.cents;
            before.push(line);
        }
        ledger
    }

    /// All of it.
    pub fn total(&self) -> Figures {
        self.days.values().copied().sum()
    }

    /// What there was by the end of a day.
    pub fn until(&self, day: Date) -> Figures {
        self.days.range(..=day).map(|(_, figures)| *figures).sum()
    }

    /// What there was on a day.
    pub fn on(&self, day: Date) -> Option<Figures> {
        self.days.get(&day).copied()
    }

    /// The first day and the last.
    pub fn span(&self) -> Option<RangeInclusive<Date>> {
        Some(*self.days.first_key_value()?.0..=*self.days.last_key_value()?.0)
    }

    /// The purchases of each customer, in order.
    pub fn customers(&self) -> impl Iterator<Item = (CustomerId, &[Line])> {
        self.customers.iter().map(|(id, lines)| (*id, lines.as_slice()))
    }

    /// The customer with the most purchases.
    pub fn most_frequent(&self) -> Option<(CustomerId, &[Line])> {
        self.customers().max_by_key(|(id, lines)| (lines.len(), Reverse(*id)))
    }

    /// The ten customers who have spent most.
    pub fn best(&self) -> Vec<BestCustomer> {
        let mut customers: Vec<_> = self.customers().map(|(id, lines)| (Reverse(spent(lines).cents), id)).collect();
        customers.sort_unstable();
        let best = customers.into_iter().take(10);
        best.map(|(Reverse(cents), id)| BestCustomer { customer: id.to_string(), cents }).collect()
    }
}

/// What one customer has bought with these purchases.
pub fn spent(lines: &[Line]) -> Figures {
    Figures {
        purchases: lines.len() as u64,
        customers: u64::from(!lines.is_empty()),
        cds: lines.iter().map(|line| u64::from(line.purchase.cds)).sum(),
        cents: lines.iter().map(|line| line.purchase.cents).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{PUBLISHED, PUBLISHED_CUSTOMER};
    use crate::input;

    #[test]
    fn the_cdnow_file_adds_up_to_the_published_figures() {
        let ledger = Ledger::of(input::parse(include_bytes!("../data/cdnow_master.txt")).lines);
        for (day, figures) in PUBLISHED {
            assert_eq!(ledger.until(day), figures, "{day}");
        }
        let (id, lines) = ledger.most_frequent().unwrap();
        let (customer, purchases, cents) = PUBLISHED_CUSTOMER;
        assert_eq!((id.to_string().as_str(), spent(lines).purchases, spent(lines).cents), (customer, purchases, cents));
    }
}
