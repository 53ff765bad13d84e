use cqrs_core::DomainEvent;

#[derive(DomainEvent)]
#[event(domain = "account")]
enum AccountEvent {
    Opened,
}

fn main() {}
