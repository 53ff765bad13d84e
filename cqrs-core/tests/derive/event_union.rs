use cqrs_core::DomainEvent;

#[derive(DomainEvent)]
#[event(domain = "account")]
union AccountEvent {
    opened: u8,
    closed: u8,
}

fn main() {}
