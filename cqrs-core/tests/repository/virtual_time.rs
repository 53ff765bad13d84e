//! What depends on recorded times, in the time of a virtual clock.

use std::time::Duration;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Append, AsOf, EventStore, EventType, NewEvent, Payload, Repository, StreamFactsStore, Timestamp};
use cqrs_testkit::VirtualClock;

use super::counter::{Add, Counter, id};
use super::snapshots::stream;

const HOUR: Duration = Duration::from_secs(3_600);

fn given() -> (VirtualClock, InMemoryEventStore, Repository<Counter>) {
    let clock = VirtualClock::at("2024-01-01T00:00:00Z");
    let store = InMemoryEventStore::with_clock(clock.clone());
    let counters = crate::repository::<Counter>(store.clone());
    (clock, store, counters)
}

async fn append(store: &InMemoryEventStore) -> Timestamp {
    let event =
        NewEvent::raw(stream(), EventType::new("counter.added.v1").unwrap(), Payload::from_bytes(r#"{"amount":1}"#));
    store.append(Append::new(vec![event])).await.unwrap().recorded_at
}

#[tokio::test]
async fn events_are_recorded_when_the_clock_says() {
    let (clock, store, _) = given();
    assert_eq!(append(&store).await.to_string(), "2024-01-01T00:00:00Z");
    clock.advance(HOUR);
    assert_eq!(append(&store).await.to_string(), "2024-01-01T01:00:00Z");
}

#[tokio::test]
async fn recorded_times_increase_though_the_clock_stands_still_or_goes_back() {
    let (clock, store, _) = given();
    let first = append(&store).await;
    assert_eq!(append(&store).await, first.plus_micros(1));
    clock.set("2023-01-01T00:00:00Z");
    assert_eq!(append(&store).await, first.plus_micros(2));
    clock.set(first.plus_micros(3));
    assert_eq!(append(&store).await, first.plus_micros(3));
}

#[tokio::test]
async fn states_of_recorded_times_are_found() {
    let (clock, _, counters) = given();
    for _ in 0..3 {
        counters.execute(&id(), Add(1)).await.unwrap();
        clock.advance(HOUR);
    }
    for (time, expected) in
        [("2024-01-01T00:59:59Z", 1), ("2024-01-01T01:00:00Z", 2), ("2024-01-01T02:59:59.999999Z", 3)]
    {
        let then = counters.load_as_of(&id(), AsOf::Recorded(time.parse().unwrap())).await.unwrap().unwrap();
        assert_eq!(then.state.total, expected, "{time}");
    }
}

#[tokio::test]
async fn a_stream_is_archived_when_the_clock_says() {
    let (clock, store, _) = given();
    append(&store).await;
    clock.advance(HOUR);
    let facts = store.archive(&stream()).await.unwrap();
    assert_eq!(facts.archived.unwrap().at.to_string(), "2024-01-01T01:00:00Z");
}
