use cqrs_core::DomainEvent;

#[derive(DomainEvent)]
enum OrderEvent {
    #[event(nested)]
    Payment(u64),
}

fn main() {}
