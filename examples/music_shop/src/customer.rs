//! The customer: an aggregate that buys CDs.

use std::fmt;

use cqrs_core::{Aggregate, Apply, DomainEvent, Handle};
use serde::{Deserialize, Serialize};

/// Identifies a customer; five digits in the shop's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(pub u32);

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}", self.0)
    }
}

/// What happens to a customer. When it happened is the event's occurred time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "customer")]
pub enum CustomerEvent {
    /// The customer bought for the first time.
    Joined,
    /// The customer bought.
    Purchased {
        cds: u32,
        cents: i64,
        /// All that the customer has spent, this purchase included: readers that compare customers need no other events.
        spent_cents: i64,
    },
}

/// Buy so many CDs for so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    pub cds: u32,
    pub cents: i64,
}

/// Why a purchase is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurchaseError {
    #[error("a purchase has at least one CD")]
    NoCds,
    #[error("a purchase cannot cost less than nothing")]
    NegativeAmount,
}

/// What a customer has bought so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Aggregate)]
#[aggregate(
    stream = "customer",
    id = CustomerId,
    event = CustomerEvent,
    error = PurchaseError,
    snapshot(every = 100, version = 1)
)]
pub struct Customer {
    pub joined: bool,
    pub purchases: u64,
    pub cds: u64,
    pub cents: i64,
}

impl Apply for Customer {
    fn apply(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Joined => self.joined = true,
            CustomerEvent::Purchased { cds, cents, .. } => {
                self.purchases += 1;
                self.cds += u64::from(*cds);
                self.cents += cents;
            }
        }
    }
}

impl Handle<Purchase> for Customer {
    fn handle(&self, &Purchase { cds, cents }: &Purchase) -> Result<Vec<CustomerEvent>, PurchaseError> {
        if cds == 0 {
            return Err(PurchaseError::NoCds);
        }
        if cents < 0 {
            return Err(PurchaseError::NegativeAmount);
        }
        let purchased = CustomerEvent::Purchased { cds, cents, spent_cents: self.cents + cents };
        Ok(if self.joined { vec![purchased] } else { vec![CustomerEvent::Joined, purchased] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_testkit::{given, given_nothing};

    fn purchased(cds: u32, cents: i64, spent_cents: i64) -> CustomerEvent {
        CustomerEvent::Purchased { cds, cents, spent_cents }
    }

    #[test]
    fn the_first_purchase_makes_a_customer() {
        given_nothing::<Customer>()
            .when(Purchase { cds: 2, cents: 2_076 })
            .then([CustomerEvent::Joined, purchased(2, 2_076, 2_076)]);
    }

    #[test]
    fn a_further_purchase_says_what_was_spent_in_all() {
        given::<Customer>([CustomerEvent::Joined, purchased(2, 2_076, 2_076), purchased(1, 0, 2_076)])
            .when(Purchase { cds: 3, cents: 24 })
            .then([purchased(3, 24, 2_100)]);
    }

    #[test]
    fn a_purchase_of_nothing_or_for_less_than_nothing_is_refused() {
        given_nothing::<Customer>().when(Purchase { cds: 0, cents: 100 }).then_error(PurchaseError::NoCds);
        given_nothing::<Customer>().when(Purchase { cds: 1, cents: -1 }).then_error(PurchaseError::NegativeAmount);
    }
}
