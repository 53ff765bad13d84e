use cqrs_core::{DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    Announced,
}

#[derive(EventSet)]
enum CatalogueEvent {
    Course { event: CourseEvent },
    Two(CourseEvent, u64),
    None,
}

fn main() {}
