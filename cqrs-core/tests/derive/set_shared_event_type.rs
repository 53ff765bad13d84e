use cqrs_core::{DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    Announced,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum TimetableEvent {
    Moved,
    Announced,
}

#[derive(EventSet)]
enum CatalogueEvent {
    Course(CourseEvent),
    Timetable(TimetableEvent),
}

fn main() {}
