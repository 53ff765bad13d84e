//! One model for each rule: each asks for the events that its rule rests on, and no others.

use cqrs_core::{DecisionModel, EventQuery, QueryItem, Recorded};

use crate::event::{SeatEvent, ShowingEvent, TheatreEvent};

/// A showing has so many places: of all that happens at it.
#[derive(Clone, Debug)]
pub struct Places {
    showing: String,
    pub capacity: Option<usize>,
    pub taken: usize,
}

impl Places {
    pub fn of(showing: &str) -> Self {
        Self { showing: showing.to_owned(), capacity: None, taken: 0 }
    }
}

impl DecisionModel for Places {
    type Event = TheatreEvent;

    fn query(&self) -> EventQuery {
        QueryItem::new().tag(format!("showing:{}", self.showing)).into()
    }

    fn apply(&mut self, event: &Recorded<TheatreEvent>) {
        match &event.event {
            TheatreEvent::Showing(ShowingEvent::Scheduled { capacity, .. }) => self.capacity = Some(*capacity),
            TheatreEvent::Seat(SeatEvent::Taken { .. }) => self.taken += 1,
            TheatreEvent::Seat(SeatEvent::Released { .. }) => self.taken -= 1,
        }
    }
}

/// A seat is taken once: of what happens to the seat.
#[derive(Clone, Debug)]
pub struct Seat {
    seat: String,
    pub customer: Option<String>,
}

impl Seat {
    pub fn of(seat: &str) -> Self {
        Self { seat: seat.to_owned(), customer: None }
    }
}

impl DecisionModel for Seat {
    type Event = SeatEvent;

    fn query(&self) -> EventQuery {
        QueryItem::new().tag(format!("seat:{}", self.seat)).into()
    }

    fn apply(&mut self, event: &Recorded<SeatEvent>) {
        self.customer = match &event.event {
            SeatEvent::Taken { customer, .. } => Some(customer.clone()),
            SeatEvent::Released { .. } => None,
        };
    }
}

/// A customer has a few seats of a showing at most: of what the customer does there, and nowhere else.
#[derive(Clone, Debug)]
pub struct SeatsOf {
    customer: String,
    showing: String,
    pub seats: usize,
}

impl SeatsOf {
    pub fn customer(customer: &str, showing: &str) -> Self {
        Self { customer: customer.to_owned(), showing: showing.to_owned(), seats: 0 }
    }
}

impl DecisionModel for SeatsOf {
    type Event = SeatEvent;

    fn query(&self) -> EventQuery {
        QueryItem::new().tag(format!("customer:{}", self.customer)).tag(format!("showing:{}", self.showing)).into()
    }

    fn apply(&mut self, event: &Recorded<SeatEvent>) {
        match event.event {
            SeatEvent::Taken { .. } => self.seats += 1,
            SeatEvent::Released { .. } => self.seats -= 1,
        }
    }
}
