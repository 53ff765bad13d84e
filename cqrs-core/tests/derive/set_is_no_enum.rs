use cqrs_core::EventSet;

#[derive(EventSet)]
struct Events(String);

#[derive(EventSet)]
enum Empty {}

fn main() {}
