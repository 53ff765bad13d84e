//! Events of several aggregates in one enum.

use cqrs_core::{CodecError, DomainEvent, EventSet};
use serde::{Deserialize, Serialize};

use super::{AccountEvent, decode};

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "course")]
enum CourseEvent {
    #[event(version = 2, upcast_from(1 = Ok))]
    Announced { title: String },
}

#[derive(Debug, PartialEq, EventSet)]
enum CatalogueEvent {
    Course(CourseEvent),
    Account(AccountEvent),
}

#[test]
fn a_set_understands_the_events_of_all_its_members() {
    let names: Vec<_> = CatalogueEvent::event_types().iter().map(ToString::to_string).collect();
    assert_eq!(names, [CourseEvent::EVENT_TYPES, AccountEvent::EVENT_TYPES].concat());
}

#[test]
fn an_event_is_wrapped_in_the_member_that_it_belongs_to() {
    let announced = || CatalogueEvent::Course(CourseEvent::Announced { title: "Rust".to_owned() });
    let mut events = decode::<CatalogueEvent>("course.announced.v2", r#"{"title":"Rust"}"#).unwrap();
    CatalogueEvent::decode("course.announced.v1", br#"{"title":"Rust"}"#, &mut events).unwrap();
    CatalogueEvent::decode("account.closed.v1", b"{}", &mut events).unwrap();
    assert_eq!(events, [announced(), announced(), CatalogueEvent::Account(AccountEvent::Closed)]);
}

#[test]
fn an_event_of_no_member_is_unknown() {
    let error = decode::<CatalogueEvent>("teacher.hired.v1", "{}").unwrap_err();
    assert!(matches!(error, CodecError::UnknownType(name) if name == "teacher.hired.v1"));
}

#[test]
fn a_member_that_cannot_decode_says_so() {
    let error = decode::<CatalogueEvent>("course.announced.v2", "{}").unwrap_err();
    assert_eq!(error.to_string(), "cannot decode course.announced.v2");
}
