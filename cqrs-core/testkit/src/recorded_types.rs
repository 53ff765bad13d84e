//! The contract of [`RecordedTypes`]: one function per behaviour, each on a store of its own.

use std::sync::Arc;

use cqrs_core::{Append, EventStore, EventType, NewEvent, Payload, RecordedTypes, StreamName};

/// A store that says which event types it holds as well.
pub trait TypedStore: EventStore + RecordedTypes {}

impl<S: EventStore + RecordedTypes> TypedStore for S {}

type Store = Arc<dyn TypedStore>;

async fn append(store: &Store, event_types: &[&str]) {
    let stream = StreamName::new("account-a").expect("the suite names its streams well");
    let event = |name: &&str| {
        let event_type = EventType::new(*name).expect("the suite names its event types well");
        NewEvent::raw(stream.clone(), event_type, Payload::from_bytes("{}"))
    };
    store.append(Append::new(event_types.iter().map(event).collect())).await.expect("the events are appended");
}

async fn recorded(store: &Store) -> Vec<String> {
    let types = store.recorded_types().await.expect("the event types can be read");
    types.iter().map(ToString::to_string).collect()
}

pub async fn a_log_without_events_holds_no_types(store: Store) {
    assert_eq!(recorded(&store).await, Vec::<String>::new());
}

pub async fn each_type_is_told_once_in_order(store: Store) {
    append(&store, &["b.x.v1", "a.x.v2", "b.x.v1", "a.x.v10", "a.x_y.v1"]).await;
    append(&store, &["a.x.v2", "a.x.v1"]).await;
    assert_eq!(recorded(&store).await, ["a.x.v1", "a.x.v10", "a.x.v2", "a.x_y.v1", "b.x.v1"]);
}

pub async fn the_types_of_archived_streams_are_told_too(store: Store) {
    append(&store, &["a.x.v1"]).await;
    let stream = StreamName::new("account-a").expect("the suite names its streams well");
    store.stream_facts().archive(&stream).await.expect("the stream can be archived");
    assert_eq!(recorded(&store).await, ["a.x.v1"]);
}
