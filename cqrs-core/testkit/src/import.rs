//! The contract of [`ImportEvents`]: one function per behaviour, each on a store of its own.

use std::sync::Arc;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Append, AppendError, ClaimKey, EventId, EventQuery, EventStore, EventType, Filter, GlobalPosition, ImportError,
    ImportEvents, Imported, NewEvent, Payload, QueryItem, ReadAll, RecordedEvent, StreamName, Timestamp, Version,
    read_json_lines, write_json_lines,
};

/// A store that takes in history as well.
pub trait ImportingStore: EventStore + ImportEvents {}

impl<S: EventStore + ImportEvents> ImportingStore for S {}

type Store = Arc<dyn ImportingStore>;

/// The `number`th of a history of two streams, ten positions apart, an hour between them.
fn old(number: u64) -> RecordedEvent {
    let stream = if !number.is_multiple_of(2) { "account-a" } else { "account-b" };
    RecordedEvent {
        id: EventId::new(),
        event_type: EventType::new("account.deposited.v1").expect("the suite names its event types well"),
        stream: StreamName::new(stream).expect("the suite names its streams well"),
        version: Version::new(number.div_ceil(2)).expect("the suite counts from 1"),
        position: GlobalPosition::new(number * 10),
        recorded_at: Timestamp::from_micros(1_000_000_000_000_000 + number.cast_signed() * 3_600_000_000),
        occurred_at: number.is_multiple_of(3).then(|| Timestamp::from_micros(-number.cast_signed())),
        payload: Payload::from_bytes(format!(" {{\n\t\"number\" : {number}.50, \"text\":\"\\u00e9\u{e9}\\\\\" }}")),
        metadata: Payload::from_bytes(format!(r#"{{"actor":"import","headers":{{"line":"{number}"}}}}"#)),
    }
}

fn history(numbers: impl IntoIterator<Item = u64>) -> Vec<RecordedEvent> {
    numbers.into_iter().map(old).collect()
}

async fn log(store: &Store) -> Vec<RecordedEvent> {
    let read = ReadAll::after(GlobalPosition::START).limit(100_000);
    store.read_all(read).await.expect("the log can be read").events
}

async fn take_in(store: &Store, events: &[RecordedEvent]) -> Imported {
    store.import(events.to_vec()).await.expect("the events are taken in")
}

async fn refuse(store: &Store, events: Vec<RecordedEvent>) -> ImportError {
    let before = log(store).await;
    let error = store.import(events).await.expect_err("the events are refused");
    assert_eq!(log(store).await, before, "a refused import changes nothing");
    error
}

pub async fn history_is_taken_in_byte_for_byte(store: Store) {
    let events = history(1..=2_000);
    assert_eq!(take_in(&store, &events).await, Imported { written: 2_000, repeated: 0 });
    assert_eq!(log(&store).await, events);
}

pub async fn history_exported_elsewhere_is_exported_again_byte_for_byte(store: Store) {
    let events = history(1..=300);
    let elsewhere: Store = Arc::new(InMemoryEventStore::new());
    take_in(&elsewhere, &events).await;
    let lines = exported(&elsewhere).await;
    let read: Vec<_> = read_json_lines(&lines[..]).collect::<Result<_, _>>().expect("the lines can be read");
    for part in read.chunks(100) {
        assert_eq!(take_in(&store, part).await, Imported { written: 100, repeated: 0 });
    }
    assert!(exported(&store).await == lines, "every byte of the lines is the same");
    assert_eq!(take_in(&store, &read).await, Imported { written: 0, repeated: 300 });
}

async fn exported(store: &Store) -> Vec<u8> {
    let mut lines = Vec::new();
    write_json_lines(&log(store).await, &mut lines).expect("recorded events have lines");
    lines
}

pub async fn nothing_is_taken_in_when_there_is_nothing(store: Store) {
    assert_eq!(take_in(&store, &[]).await, Imported::default());
}

pub async fn importing_again_leaves_what_is_there(store: Store) {
    let (first, second) = (history(1..=4), history(5..=8));
    take_in(&store, &first).await;
    take_in(&store, &second).await;
    assert_eq!(take_in(&store, &first).await, Imported { written: 0, repeated: 4 });
    assert_eq!(log(&store).await, [first, second].concat());
}

pub async fn appends_go_on_after_imported_history(store: Store) {
    let events = history(1..=5);
    take_in(&store, &events).await;
    let stream = events[4].stream.clone();
    let new = NewEvent::raw(stream.clone(), events[0].event_type.clone(), Payload::from_bytes(&b"{}"[..]));
    let append = Append::new(vec![new]).expect(stream, cqrs_core::ExpectedVersion::Exact(events[4].version));
    let appended = store.append(append).await.expect("the imported version is expected");
    assert_eq!(appended.versions, [events[4].version.next()]);
    assert!(appended.position > events[4].position && appended.recorded_at > events[4].recorded_at);
    let later = RecordedEvent { position: GlobalPosition::new(1_000), ..old(2) };
    let error = refuse(&store, vec![later]).await;
    assert!(matches!(error, ImportError::RecordedAt { .. }), "history before what is there: {error:?}");
}

pub async fn a_subscription_sees_imported_history_once(store: Store) {
    let mut subscription =
        store.subscribe(GlobalPosition::START, cqrs_core::Filter::All).await.expect("the log can be followed");
    let events = history(1..=20);
    take_in(&store, &events[..10]).await;
    take_in(&store, &events[10..]).await;
    let mut seen = Vec::new();
    while seen.len() < 20 {
        seen.extend(subscription.next().await.expect("the log can be read").events);
    }
    assert_eq!(seen, events);
}

pub async fn an_archived_stream_takes_in_no_history(store: Store) {
    let events = history(1..=4);
    take_in(&store, &events[..2]).await;
    let stream = events[0].stream.clone();
    store.stream_facts().archive(&stream).await.expect("the stream is archived");
    let error = refuse(&store, events[2..].to_vec()).await;
    let refused = events[2].id;
    assert!(matches!(&error, ImportError::Archived { id, stream: of } if *id == refused && *of == stream), "{error:?}");
    assert_eq!(take_in(&store, &events[..2]).await, Imported { written: 0, repeated: 2 });
    store.stream_facts().restore(&stream).await.expect("the stream is restored");
    take_in(&store, &events[2..]).await;
}

pub async fn a_position_that_does_not_follow_is_refused(store: Store) {
    take_in(&store, &history(1..=2)).await;
    for position in [0, 20, 15] {
        let error = refuse(&store, vec![RecordedEvent { position: GlobalPosition::new(position), ..old(3) }]).await;
        assert!(matches!(error, ImportError::Position { .. }), "{error:?}");
    }
    for position in [(1 << 62) + 1, i64::MAX as u64] {
        let error = refuse(&store, vec![RecordedEvent { position: GlobalPosition::new(position), ..old(3) }]).await;
        assert!(matches!(error, ImportError::TooHigh { .. }), "{error:?}");
    }
    let mut unordered = history(3..=4);
    unordered[1].position = unordered[0].position;
    let error = refuse(&store, unordered).await;
    assert!(matches!(error, ImportError::Position { .. }), "{error:?}");
}

pub async fn a_version_that_does_not_follow_is_refused(store: Store) {
    take_in(&store, &history(1..=2)).await;
    for version in [1, 3] {
        let version = Version::new(version).expect("the suite counts from 1");
        let error = refuse(&store, vec![RecordedEvent { version, ..old(3) }]).await;
        assert!(matches!(error, ImportError::Version { expected, .. } if expected.get() == 2), "{error:?}");
    }
}

pub async fn a_recorded_time_that_does_not_follow_or_lies_ahead_is_refused(store: Store) {
    take_in(&store, &history(1..=2)).await;
    let ahead = Timestamp::now().plus_micros(3_600_000_000);
    for recorded_at in [old(2).recorded_at.plus_micros(-1), ahead] {
        let error = refuse(&store, vec![RecordedEvent { recorded_at, ..old(3) }]).await;
        assert!(matches!(error, ImportError::RecordedAt { .. }), "{error:?}");
    }
    let same_time = RecordedEvent { recorded_at: old(2).recorded_at, ..old(3) };
    take_in(&store, &[same_time]).await;
}

pub async fn an_event_id_that_is_in_use_is_refused(store: Store) {
    let events = history(1..=2);
    take_in(&store, &events).await;
    let again = RecordedEvent { id: events[0].id, ..old(3) };
    let error = refuse(&store, vec![again]).await;
    assert!(matches!(error, ImportError::EventIdReused { id } if id == events[0].id), "{error:?}");
    let mut twice = history(3..=4);
    twice[1].id = twice[0].id;
    let error = refuse(&store, twice).await;
    assert!(matches!(error, ImportError::EventIdReused { .. }), "{error:?}");
}

pub async fn an_event_that_no_append_could_write_is_refused(store: Store) {
    for payload in ["", "{", r#""\u0000""#] {
        let broken = RecordedEvent { payload: Payload::from_bytes(payload.to_owned()), ..old(1) };
        let error = refuse(&store, vec![broken]).await;
        assert!(matches!(error, ImportError::Invalid(_)), "{error:?}");
    }
    let error = refuse(&store, vec![RecordedEvent { metadata: Payload::from_bytes(&b"7"[..]), ..old(1) }]).await;
    assert!(matches!(error, ImportError::Invalid(_)), "{error:?}");
}

fn ann() -> ClaimKey {
    ClaimKey::new("email", "ann@example.com").expect("the suite names its keys well")
}

/// The `number`th of the history, which takes or releases a key.
fn claiming(number: u64, what: &str) -> RecordedEvent {
    let metadata = format!(r#"{{"actor":"import","claims":{{"{what}":["{}"]}}}}"#, ann().as_str());
    RecordedEvent { metadata: Payload::from_bytes(metadata), ..old(number) }
}

/// An append to one of the streams of the history that takes the key.
async fn take(store: &Store, stream: &StreamName) -> Result<cqrs_core::Appended, AppendError> {
    let new = NewEvent::raw(stream.clone(), old(1).event_type, Payload::from_bytes(&b"{}"[..]));
    store.append(Append::new(vec![new.claiming(ann())])).await
}

pub async fn claims_come_with_the_history(store: Store) {
    let events = [claiming(1, "taken"), old(2), old(3)];
    take_in(&store, &events).await;
    let (a, b) = (&events[0].stream, &events[1].stream);
    let refused = take(&store, b).await;
    assert!(
        matches!(&refused, Err(AppendError::Claimed { key, holder }) if *key == ann() && holder == a),
        "{refused:?}"
    );
    take_in(&store, &[claiming(5, "released")]).await;
    take(&store, b).await.expect("the key was released");
}

pub async fn claims_go_through_json_lines_into_another_history(store: Store) {
    take_in(&store, &[claiming(1, "taken"), old(2), claiming(3, "released"), claiming(4, "taken")]).await;
    let exported = log(&store).await;
    let mut lines = Vec::new();
    write_json_lines(&exported, &mut lines).expect("recorded events have lines");
    let read: Vec<_> = read_json_lines(&lines[..]).collect::<Result<_, _>>().expect("the lines can be read");
    let restored = cqrs_core::in_memory::InMemoryEventStore::new();
    let restored: Store = Arc::new(restored);
    take_in(&restored, &read).await;
    for store in [&store, &restored] {
        let refused = take(store, &old(1).stream).await;
        assert!(
            matches!(&refused, Err(AppendError::Claimed { holder, .. }) if *holder == old(2).stream),
            "{refused:?}"
        );
    }
}

pub async fn history_that_takes_what_another_stream_holds_is_refused(store: Store) {
    let twice = vec![claiming(1, "taken"), claiming(2, "taken")];
    let id = twice[1].id;
    let error = refuse(&store, twice).await;
    assert!(
        matches!(&error, ImportError::Claimed { id: of, key, holder }
            if *of == id && *key == ann() && *holder == old(1).stream),
        "{error:?}"
    );
    take_in(&store, &[claiming(1, "taken")]).await;
    let error = refuse(&store, vec![claiming(2, "taken")]).await;
    assert!(matches!(&error, ImportError::Claimed { holder, .. } if *holder == old(1).stream), "{error:?}");
    take_in(&store, &[claiming(3, "released"), RecordedEvent { version: Version::FIRST, ..claiming(4, "taken") }])
        .await;
}

pub async fn claims_that_are_none_are_refused(store: Store) {
    for claims in [r#"{"taken":["ann@example.com"]}"#, r#"{"taken":"email"}"#, "7"] {
        let metadata = Payload::from_bytes(format!(r#"{{"claims":{claims}}}"#));
        let error = refuse(&store, vec![RecordedEvent { metadata, ..old(1) }]).await;
        assert!(matches!(error, ImportError::Invalid(_)), "{error:?}");
    }
}

pub async fn tags_come_with_the_history(store: Store) {
    let tagged = |number, tags: &str| RecordedEvent {
        metadata: Payload::from_bytes(format!(r#"{{ "tags" : {tags}, "actor":"import"}}"#)),
        ..old(number)
    };
    // Tags that no query can ask for are kept as they are.
    let odd = format!(r#"["", "course:c1", "{}"]"#, "x".repeat(300));
    let events = [tagged(1, r#"["course:c1","course:c1","vip"]"#), tagged(2, "[]"), tagged(3, &odd)];
    take_in(&store, &events).await;
    assert_eq!(log(&store).await, events);
    let course = || EventQuery::from(QueryItem::new().tag("course:c1"));
    let read = ReadAll::after(GlobalPosition::START).filter(Filter::Query(course()));
    let found = store.read_all(read).await.expect("the log can be read").events;
    assert_eq!(found, [events[0].clone(), events[2].clone()]);
    let event = NewEvent::raw(old(1).stream, old(1).event_type, old(1).payload);
    let guarded = |after| Append::new(vec![event.clone()]).expect_none_matching(course(), GlobalPosition::new(after));
    let refused = store.append(guarded(10)).await;
    assert!(matches!(refused, Err(AppendError::Matched { position, .. }) if position.get() == 30), "{refused:?}");
    store.append(guarded(30)).await.expect("nothing has come since");
}
