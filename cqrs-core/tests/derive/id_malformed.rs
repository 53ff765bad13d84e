use cqrs_core::AggregateId;

#[derive(AggregateId)]
struct Named {
    number: u64,
}

#[derive(AggregateId)]
struct Two(u64, u64);

#[derive(AggregateId)]
enum Either {
    Number(u64),
}

#[derive(AggregateId)]
struct NotDisplayed(Vec<u8>);

fn main() {}
