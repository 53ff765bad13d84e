//! Events say by which words they are found; the context adds to them.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Aggregate, Append, Apply, CodecError, Context, DomainEvent, EventStore, GlobalPosition, Handle, Metadata, NewEvent,
    Payload, ReadAll, StreamName,
};

use super::counter::Reached;

#[derive(Clone, Debug, PartialEq)]
struct Enrolled;

impl DomainEvent for Enrolled {
    const EVENT_TYPES: &'static [&'static str] = &["student.enrolled.v1"];
    const FINGERPRINT: u64 = 1;

    fn event_type(&self) -> &'static str {
        Self::EVENT_TYPES[0]
    }

    fn encode(&self) -> Result<Payload, CodecError> {
        Ok(Payload::from_bytes("{}"))
    }

    fn tags(&self) -> Vec<String> {
        vec!["course:c1".to_owned(), "student:s1".to_owned()]
    }

    fn decode(_: &str, _: &[u8], into: &mut Vec<Self>) -> Result<(), CodecError> {
        into.push(Self);
        Ok(())
    }
}

#[derive(Clone, Debug, Default, Aggregate)]
#[aggregate(stream = "student", id = String, event = Enrolled, error = Reached)]
struct Student;

impl Apply for Student {
    fn apply(&mut self, _: &Enrolled) {}
}

struct Enrol;

impl Handle<Enrol> for Student {
    fn handle(&self, _: &Enrol) -> Result<Vec<Enrolled>, Reached> {
        Ok(vec![Enrolled])
    }
}

fn stream() -> StreamName {
    StreamName::new("student-s1").unwrap()
}

async fn tags(store: &InMemoryEventStore) -> Vec<String> {
    let events = store.read_all(ReadAll::after(GlobalPosition::START)).await.unwrap().events;
    events[0].metadata().unwrap().tags
}

#[tokio::test]
async fn the_tags_of_an_event_are_in_its_metadata() {
    let store = InMemoryEventStore::new();
    store.append(Append::new(vec![NewEvent::encode(stream(), &Enrolled).unwrap()])).await.unwrap();
    assert_eq!(tags(&store).await, ["course:c1", "student:s1"]);
}

#[tokio::test]
async fn the_context_adds_its_tags_and_repeats_none() {
    let store = InMemoryEventStore::new();
    let context = Context::new().tag("semester:7").tag("course:c1");
    crate::repository::<Student>(store.clone()).execute_with(&"s1".to_owned(), Enrol, context).await.unwrap();
    assert_eq!(tags(&store).await, ["course:c1", "student:s1", "semester:7"]);
}

#[test]
fn metadata_takes_no_tag_from_an_event() {
    let mut metadata = Metadata::default();
    metadata.tags = ["vip", "vip"].map(str::to_owned).to_vec();
    let event = NewEvent::encode(stream(), &Enrolled).unwrap().with_metadata(metadata.clone());
    assert_eq!(event.metadata.tags, ["course:c1", "student:s1", "vip", "vip"]);
    let raw = NewEvent::raw(event.stream, event.event_type, event.payload).with_metadata(metadata.clone());
    assert_eq!(raw.metadata, metadata, "as it is given, where the event says none");
}
