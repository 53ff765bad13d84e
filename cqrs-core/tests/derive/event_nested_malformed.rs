use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "payment")]
enum Payment {
    Paid,
}

#[derive(DomainEvent)]
#[event(domain = "order")]
enum Useless {
    #[event(nested)]
    Payment(Payment),
}

#[derive(Serialize, Deserialize, DomainEvent)]
enum WithoutDomain {
    #[event(nested)]
    Payment(Payment),
    Noted,
}

#[derive(DomainEvent)]
enum Named {
    #[event(nested, name = "paid")]
    Payment(Payment),
}

#[derive(DomainEvent)]
enum Fields {
    #[event(nested)]
    Payment { payment: Payment },
}

#[derive(DomainEvent)]
enum Twice {
    #[event(nested)]
    Payment(Payment),
    #[event(nested)]
    Refund(Payment),
}

#[derive(DomainEvent)]
enum Generic<T> {
    #[event(nested)]
    Payment(T),
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "order")]
enum Skipped {
    #[event(nested)]
    #[serde(skip)]
    Payment(Payment),
    Noted,
}

#[derive(DomainEvent)]
#[event(nested)]
enum Misplaced {
    Payment(Payment),
}

fn main() {}
