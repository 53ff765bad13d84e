use cqrs_core::{DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    Announced,
}

#[derive(EventSet)]
enum CatalogueEvent {
    Course(CourseEvent),
    Lesson(CourseEvent),
}

fn main() {}
