//! What happens, and by which tags it is found.

use cqrs_core::{DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "showing")]
pub enum ShowingEvent {
    Scheduled {
        #[event(tag = "showing")]
        showing: String,
        capacity: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "seat")]
pub enum SeatEvent {
    Taken {
        #[event(tag = "showing")]
        showing: String,
        /// The showing and the place, so that the seat alone is found: `evening/12`.
        #[event(tag = "seat")]
        seat: String,
        #[event(tag = "customer")]
        customer: String,
    },
    Released {
        #[event(tag = "showing")]
        showing: String,
        #[event(tag = "seat")]
        seat: String,
        #[event(tag = "customer")]
        customer: String,
    },
}

#[derive(Clone, Debug, EventSet)]
pub enum TheatreEvent {
    Showing(ShowingEvent),
    Seat(SeatEvent),
}
