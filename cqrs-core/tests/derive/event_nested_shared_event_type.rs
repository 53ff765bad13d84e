use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "order")]
enum Payment {
    Paid,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "order")]
enum OrderEvent {
    #[event(nested)]
    Payment(Payment),
    Paid,
}

fn main() {}
