use cqrs_core::{DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    Announced,
}

#[derive(EventSet)]
#[event_set(domain = "catalogue")]
enum CatalogueEvent {
    Course(CourseEvent),
}

fn main() {}
