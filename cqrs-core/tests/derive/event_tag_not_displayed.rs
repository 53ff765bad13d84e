use cqrs_core::DomainEvent;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Course(String);

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    Opened {
        #[event(tag = "course")]
        course: Course,
    },
}

fn main() {}
