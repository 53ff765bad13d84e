use cqrs_core::EventSet;

struct CourseEvent;

#[derive(EventSet)]
enum CatalogueEvent {
    Course(CourseEvent),
}

fn main() {}
