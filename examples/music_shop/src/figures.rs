//! What is counted: purchases, customers, CDs and money.

use std::fmt;
use std::iter::Sum;

use jiff::civil::{Date, date};
use showcase::grouped;

/// Purchases, the customers who made their first one among them, CDs, and money in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub purchases: u64,
    pub customers: u64,
    pub cds: u64,
    pub cents: i64,
}

/// What is known of the CDNOW file, counted apart from this program.
pub const PUBLISHED: [(Date, Figures); 4] = [
    (date(1997, 1, 31), Figures { purchases: 8_928, customers: 7_846, cds: 19_416, cents: 29_906_017 }),
    (date(1997, 6, 30), Figures { purchases: 41_528, customers: 23_570, cds: 94_801, cents: 143_095_913 }),
    (date(1997, 12, 31), Figures { purchases: 56_902, customers: 23_570, cds: 134_945, cents: 202_416_126 }),
    (date(1998, 6, 30), Figures { purchases: 69_659, customers: 23_570, cds: 167_881, cents: 250_031_563 }),
];

/// The customer of the CDNOW file who bought most often: purchases and cents.
pub const PUBLISHED_CUSTOMER: (&str, u64, i64) = ("14048", 217, 897_633);

impl Sum for Figures {
    fn sum<I: Iterator<Item = Self>>(figures: I) -> Self {
        figures.fold(Self::default(), |sum, more| Self {
            purchases: sum.purchases + more.purchases,
            customers: sum.customers + more.customers,
            cds: sum.cds + more.cds,
            cents: sum.cents + more.cents,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purchases, customers, cds, cents } = *self;
        let [purchases, customers, cds] = [purchases, customers, cds].map(grouped);
        write!(f, "{purchases} purchases, {customers} customers, {cds} CDs, {}", dollars(cents))
    }
}

/// An amount of cents in dollars: `1,234.50 dollars`.
pub fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02} dollars", grouped(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_readable() {
        assert_eq!(dollars(250_031_563), "2,500,315.63 dollars");
        assert_eq!(dollars(5), "0.05 dollars");
        assert_eq!(dollars(-123_456), "-1,234.56 dollars");
    }
}
