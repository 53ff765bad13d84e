//! Fields that are something to their event: tags, and whose data it holds.

use cqrs_core::{DomainEvent, NewEvent, StreamName};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "user")]
#[serde(rename_all_fields = "camelCase")]
enum UserEvent {
    SignedUp {
        #[event(subject, tag = "user")]
        id: u32,
        #[event(personal, claim = "email")]
        email: String,
        #[event(personal)]
        #[serde(rename(serialize = "called", deserialize = "called"), default)]
        name: String,
        #[event(personal)]
        phone_number: Option<String>,
        #[event(tag = "group")]
        groups: Vec<String>,
        #[event(tag = "referrer")]
        referrer: Option<u32>,
    },
    #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
    Moved {
        #[event(subject)]
        household: Vec<u32>,
        #[event(personal)]
        new_address: String,
    },
    Rested,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "visit", name = "made")]
struct Visited {
    #[event(subject)]
    by: u32,
    #[event(personal)]
    r#where: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
enum Everything {
    #[event(nested)]
    User(UserEvent),
    #[event(nested)]
    Visited(Visited),
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(domain = "box", name = "filled")]
struct Filled<T> {
    #[event(tag = "content")]
    with: Option<T>,
}

fn signed_up(groups: &[&str], referrer: Option<u32>) -> UserEvent {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    let (email, name) = ("a@example.com".to_owned(), "Ann".to_owned());
    UserEvent::SignedUp { id: 7, email, name, phone_number: None, groups, referrer }
}

#[test]
fn tags_are_made_of_their_kind_and_what_fields_display() {
    assert_eq!(signed_up(&[], None).tags(), ["user:7"]);
    assert_eq!(signed_up(&["a", "b"], Some(3)).tags(), ["user:7", "group:a", "group:b", "referrer:3"]);
    assert_eq!(UserEvent::Rested.tags(), [""; 0]);
    assert_eq!(Filled { with: Some(1) }.tags(), ["content:1"]);
    assert_eq!(Everything::User(signed_up(&[], None)).tags(), ["user:7"]);
}

#[test]
fn events_tell_whose_data_they_hold() {
    assert_eq!(signed_up(&[], None).data_subjects(), ["7"]);
    let moved = UserEvent::Moved { household: vec![7, 8], new_address: "Rue 5".to_owned() };
    assert_eq!(moved.data_subjects(), ["7", "8"]);
    assert_eq!(Everything::Visited(Visited { by: 9, r#where: "zoo".to_owned() }).data_subjects(), ["9"]);
}

#[test]
fn personal_fields_have_the_names_that_serde_writes() {
    let fields: Vec<_> = Everything::PERSONAL_FIELDS.iter().map(|one| (one.event_type, one.fields.to_vec())).collect();
    let expected = [
        ("user.signed_up.v1", vec!["email", "called", "phoneNumber"]),
        ("user.moved.v1", vec!["NEW-ADDRESS"]),
        ("visit.made.v1", vec!["where"]),
    ];
    assert_eq!(fields, expected);
    let moved = UserEvent::Moved { household: vec![7], new_address: "Rue 5".to_owned() };
    for event in [signed_up(&[], None), moved] {
        let payload: serde_json::Value = event.encode().unwrap().decode().unwrap();
        let of_type = |one: &&cqrs_core::PersonalFields| one.event_type == event.event_type();
        let personal = UserEvent::PERSONAL_FIELDS.iter().find(of_type).unwrap();
        for field in personal.fields {
            assert!(payload.get(field).is_some(), "{field} in {payload}");
        }
    }
}

#[test]
fn what_an_event_tells_is_recorded_with_it_before_what_the_context_adds() {
    let event = NewEvent::encode(StreamName::new("user-7").unwrap(), &signed_up(&["a"], None)).unwrap();
    let mut added = cqrs_core::Metadata::default();
    added.data_subjects = vec!["9".to_owned(), "7".to_owned()];
    added.tags = vec!["group:a".to_owned(), "vip".to_owned()];
    let event = event.with_metadata(added);
    assert_eq!(event.metadata.tags, ["user:7", "group:a", "vip"]);
    assert_eq!(event.metadata.data_subjects, ["7", "9"]);
}
