//! The commands: each is decided on the models of the rules that it has to keep.

use cqrs_core::{Committed, Decisions, ExecuteError, LoadError, NewEvents};

use crate::event::{SeatEvent, ShowingEvent};
use crate::rule::{Places, Seat, SeatsOf};

/// Seats of one showing that a customer may have.
pub const SEATS_OF_A_CUSTOMER: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such showing")]
    NotScheduled,
    #[error("the showing has another capacity")]
    OtherCapacity,
    #[error("the showing is sold out")]
    SoldOut,
    #[error("the seat is taken")]
    Taken,
    #[error("the customer has {SEATS_OF_A_CUSTOMER} seats already")]
    Enough,
    #[error("the seat is not the customer's")]
    NotYours,
}

pub type Outcome = Result<Committed, ExecuteError<Refusal>>;

#[derive(Clone, Debug)]
pub struct BoxOffice(Decisions);

impl BoxOffice {
    pub fn new(decisions: Decisions) -> Self {
        Self(decisions)
    }

    pub async fn schedule(&self, showing: &str, capacity: usize) -> Outcome {
        let decide = |places: &Places| match places.capacity {
            None => {
                let scheduled = ShowingEvent::Scheduled { showing: showing.to_owned(), capacity };
                Ok(NewEvents::new().and("showing", &showing, &scheduled))
            }
            Some(same) if same == capacity => Ok(NewEvents::new()),
            Some(_) => Err(Refusal::OtherCapacity),
        };
        self.0.execute(Places::of(showing), decide).await
    }

    /// Three rules, of three aggregates if there were any: none of the three could keep the others' rules.
    pub async fn take(&self, showing: &str, place: &str, customer: &str) -> Outcome {
        let seat = format!("{showing}/{place}");
        let rules = (Places::of(showing), Seat::of(&seat), SeatsOf::customer(customer, showing));
        let decide = |(places, of_seat, of_customer): &(Places, Seat, SeatsOf)| {
            if of_seat.customer.as_deref() == Some(customer) {
                return Ok(NewEvents::new());
            }
            if of_seat.customer.is_some() {
                return Err(Refusal::Taken);
            }
            if places.taken >= places.capacity.ok_or(Refusal::NotScheduled)? {
                return Err(Refusal::SoldOut);
            }
            if of_customer.seats >= SEATS_OF_A_CUSTOMER {
                return Err(Refusal::Enough);
            }
            let [showing, seat, customer] = [showing, &seat, customer].map(str::to_owned);
            Ok(NewEvents::new().and("seat", &seat.clone(), &SeatEvent::Taken { showing, seat, customer }))
        };
        self.0.execute(rules, decide).await
    }

    pub async fn release(&self, showing: &str, place: &str, customer: &str) -> Outcome {
        let seat = format!("{showing}/{place}");
        let decide = |of_seat: &Seat| match of_seat.customer.as_deref() {
            Some(holder) if holder == customer => {
                let [showing, seat, customer] = [showing, &seat, customer].map(str::to_owned);
                Ok(NewEvents::new().and("seat", &seat.clone(), &SeatEvent::Released { showing, seat, customer }))
            }
            _ => Err(Refusal::NotYours),
        };
        self.0.execute(Seat::of(&seat), decide).await
    }

    /// How many seats are taken.
    pub async fn taken(&self, showing: &str) -> Result<usize, LoadError> {
        Ok(self.0.read(Places::of(showing)).await?.taken)
    }

    /// Who has which of these seats.
    pub async fn holders(&self, showing: &str, places: usize) -> Result<Vec<String>, LoadError> {
        let seats: Vec<Seat> = (0..places).map(|place| Seat::of(&format!("{showing}/{place}"))).collect();
        Ok(self.0.read(seats).await?.into_iter().filter_map(|seat| seat.customer).collect())
    }
}
