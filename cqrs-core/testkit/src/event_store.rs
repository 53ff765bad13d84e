//! The contract of [`EventStore`]: one function per behaviour, each on a store of its own.

use std::collections::HashMap;
use std::sync::Arc;

use cqrs_core::{
    Append, AppendError, Appended, EventStore, EventType, ExpectedVersion, GlobalPosition, Metadata, NewEvent, Payload,
    ReadAll, ReadStream, RecordedEvent, StreamName, StreamPage, Version,
};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

pub mod appending;
pub mod archiving;
pub mod cancellation;
pub mod claims;
pub mod commands;
pub mod conditions;
pub mod envelope;
pub mod listing_streams;
pub mod malformed;
pub mod outcome;
pub mod parallel;
pub mod query_conditions;
pub mod reading_all;
pub mod reading_queries;
pub mod reading_streams;
pub mod repetition;
pub mod truncating;

pub(crate) type Store = Arc<dyn EventStore>;

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("the suite names its streams well")
}

pub(crate) fn event_type(name: &str) -> EventType {
    EventType::new(name).expect("the suite names its event types well")
}

pub(crate) fn version(number: u64) -> Version {
    Version::new(number).expect("the suite counts versions from 1")
}

pub(crate) fn exact(number: u64) -> ExpectedVersion {
    ExpectedVersion::Exact(version(number))
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::from_bytes(text.to_owned())
}

pub(crate) fn event(to: &str) -> NewEvent {
    NewEvent::raw(stream(to), event_type("account.deposited.v1"), json(r#"{"amount":100}"#))
}

/// An event with these tags.
pub(crate) fn tagged(to: &str, what: &str, tags: &[&str]) -> NewEvent {
    let mut metadata = Metadata::default();
    metadata.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    NewEvent::raw(stream(to), event_type(what), json("{}")).with_metadata(metadata)
}

/// Events that differ by a number in their payload.
pub(crate) fn events(to: &str, count: usize) -> Vec<NewEvent> {
    (0..count).map(|number| NewEvent { payload: json(&format!(r#"{{"number":{number}}}"#)), ..event(to) }).collect()
}

/// An append that must succeed.
pub(crate) async fn append(store: &Store, append: Append) -> Appended {
    store.append(append).await.expect("the append succeeds")
}

/// Writes `count` new events to a stream, whatever is in it.
pub(crate) async fn write(store: &Store, to: &str, count: usize) -> (Vec<NewEvent>, Appended) {
    let events = events(to, count);
    let appended = append(store, Append::new(events.clone())).await;
    (events, appended)
}

/// An append that must be refused and change nothing.
pub(crate) async fn refuse(store: &Store, append: Append) -> AppendError {
    let before = log(store).await;
    let error = store.append(append).await.expect_err("the append is refused");
    assert_eq!(log(store).await, before, "a refused append changes nothing");
    error
}

/// The whole log, page by page. Order, clock and versions are checked on the way: they hold for every log.
pub(crate) async fn log(store: &Store) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let mut after = GlobalPosition::START;
    loop {
        let page = store.read_all(ReadAll::after(after)).await.expect("the log can be read");
        events.extend(page.events);
        if !page.more {
            assert_log_is_sound(&events);
            return events;
        }
        assert!(page.scanned_to > after, "a page that says there is more moves on");
        after = page.scanned_to;
    }
}

/// Positions increase strictly, the clock never goes back, the versions of each stream are dense from 1.
pub(crate) fn assert_log_is_sound(events: &[RecordedEvent]) {
    let mut versions: HashMap<&StreamName, Version> = HashMap::new();
    for event in events {
        let before = versions.insert(&event.stream, event.version);
        assert_eq!(event.version, Version::after(before), "versions of {} are dense from 1", event.stream);
    }
    for pair in events.windows(2) {
        assert!(pair[0].position < pair[1].position, "positions increase: {pair:?}");
        assert!(pair[0].recorded_at <= pair[1].recorded_at, "the store's clock never goes back: {pair:?}");
    }
}

pub(crate) async fn page(store: &Store, read: ReadStream) -> StreamPage {
    store.read_stream(read).await.expect("the stream can be read")
}

/// All events of a stream, in one page.
pub(crate) async fn stream_of(store: &Store, name: &str) -> Vec<RecordedEvent> {
    page(store, ReadStream::new(stream(name)).limit(100_000)).await.events
}

pub(crate) fn ids(events: &[RecordedEvent]) -> Vec<cqrs_core::EventId> {
    events.iter().map(|event| event.id).collect()
}

pub(crate) fn new_ids(events: &[NewEvent]) -> Vec<cqrs_core::EventId> {
    events.iter().map(|event| event.id).collect()
}

#[track_caller]
pub(crate) fn assert_conflict(error: &AppendError, of: &str, wanted: ExpectedVersion, found: Option<u64>) {
    assert!(
        matches!(error, AppendError::Conflict { stream, expected, actual }
            if stream.as_str() == of && *expected == wanted && actual.map(Version::get) == found),
        "a conflict on {of}, expected {wanted:?}, actual {found:?}; but it is {error:?}"
    );
}

/// Tries so many values of a strategy, and names the smallest one that fails.
pub(crate) fn for_all<S: Strategy>(cases: u32, strategy: &S, test: impl AsyncFn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let run = |value| {
        tokio::task::block_in_place(|| runtime.block_on(test(value)));
        Ok(())
    };
    if let Err(failed) = TestRunner::new(config).run(strategy, run) {
        unreachable!("{failed}");
    }
}

/// The same answer as the first time, but nothing was written.
#[track_caller]
pub(crate) fn assert_repeats(again: &Appended, first: &Appended) {
    assert_eq!(again, &Appended { repeated: true, ..first.clone() }, "the answer of the first time");
}
