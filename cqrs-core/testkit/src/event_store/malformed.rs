//! Appends that no store can keep: each fails alone, says why, and changes nothing.

use cqrs_core::{Append, AppendError, ExpectedVersion, InvalidAppend, Limits, NewEvent, Payload};

use super::{Store, event, event_type, events, log, refuse, stream, stream_of, write};

const A: &str = "account-a";

async fn invalid(store: &Store, append: Append) -> InvalidAppend {
    let error = refuse(store, append).await;
    let AppendError::Invalid(invalid) = error else {
        unreachable!("the append is malformed, but the store says {error:?}");
    };
    invalid
}

fn with_payload(payload: impl Into<Vec<u8>>) -> NewEvent {
    NewEvent { payload: Payload::from_bytes(payload.into()), ..event(A) }
}

async fn refuse_payload(store: &Store, payload: impl Into<Vec<u8>>, rule: &str) {
    write(store, A, 1).await;
    let bad = with_payload(payload);
    let error = invalid(store, Append::new(vec![event(A), bad.clone(), event(A)])).await;
    assert!(matches!(&error, InvalidAppend::Payload { id, reason } if *id == bad.id && *reason == rule), "{error:?}");
}

pub async fn an_append_without_events_is_refused(store: Store) {
    assert_eq!(invalid(&store, Append::new(vec![])).await, InvalidAppend::Empty);
    let guarded = Append::new(vec![]).expect(stream(A), ExpectedVersion::NoStream);
    assert_eq!(invalid(&store, guarded).await, InvalidAppend::Empty);
}

pub async fn an_id_that_stands_twice_in_an_append_is_refused(store: Store) {
    let one = event(A);
    let error = invalid(&store, Append::new(vec![one.clone(), event(A), one.clone()])).await;
    assert_eq!(error, InvalidAppend::RepeatedEventId { id: one.id });
}

pub async fn two_conditions_on_one_stream_are_refused(store: Store) {
    let twice = Append::new(vec![event(A)])
        .expect(stream(A), ExpectedVersion::Any)
        .expect(stream("account-b"), ExpectedVersion::NoStream)
        .expect(stream(A), ExpectedVersion::NoStream);
    assert_eq!(invalid(&store, twice).await, InvalidAppend::RepeatedCondition { stream: stream(A) });
}

pub async fn more_events_than_fit_into_one_append_are_refused(store: Store) {
    let limit = Limits::default().events_per_append;
    let error = invalid(&store, Append::new(events(A, limit + 1))).await;
    assert_eq!(error, InvalidAppend::TooManyEvents { count: limit + 1, limit });
}

pub async fn a_payload_with_a_nul_character_is_refused(store: Store) {
    refuse_payload(&store, r#"{"owner":"An\u0000n"}"#, "it holds a NUL character").await;
    refuse_payload(&store, r#"{"own\u0000er":"Ann"}"#, "it holds a NUL character").await;
}

pub async fn a_payload_that_is_no_json_is_refused(store: Store) {
    for payload in ["", "{", "{\"a\":1,}", "{} {}", "Ann", "{\"a\":\"\0\"}", "NaN", "\u{feff}{}"] {
        refuse_payload(&store, payload, "it is not JSON").await;
    }
}

pub async fn a_payload_that_is_no_utf_8_is_refused(store: Store) {
    refuse_payload(&store, *b"{\"owner\":\"\xff\"}", "it is not UTF-8").await;
}

pub async fn a_payload_that_is_nested_too_deeply_is_refused(store: Store) {
    let depth = Limits::default().depth;
    let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
    refuse_payload(&store, nested(depth + 1), "it is nested too deeply").await;
    let deepest = with_payload(nested(depth));
    super::append(&store, Append::new(vec![deepest])).await;
}

pub async fn an_event_that_is_too_large_is_refused_and_the_largest_is_kept(store: Store) {
    let limit = Limits::default().event_bytes;
    let of = |bytes: usize| with_payload(format!("\"{}\"", "x".repeat(bytes - 2)));
    let bad = of(limit + 1);
    let error = invalid(&store, Append::new(vec![event(A), bad.clone()])).await;
    assert_eq!(error, InvalidAppend::TooLarge { id: bad.id, bytes: limit + 1, limit });
    let largest = of(limit);
    super::append(&store, Append::new(vec![largest.clone()])).await;
    assert_eq!(stream_of(&store, A).await[0].payload, largest.payload);
}

pub async fn metadata_counts_for_the_size_of_an_event(store: Store) {
    let mut bad = event(A);
    bad.metadata.reason = Some("x".repeat(Limits::default().event_bytes));
    let error = invalid(&store, Append::new(vec![bad.clone()])).await;
    assert!(matches!(error, InvalidAppend::TooLarge { id, .. } if id == bad.id), "{error:?}");
}

pub async fn metadata_with_a_nul_character_is_refused(store: Store) {
    let mut bad = event(A);
    bad.metadata.headers.insert("key".to_owned(), "va\0lue".to_owned());
    let error = invalid(&store, Append::new(vec![event(A), bad.clone()])).await;
    assert!(matches!(error, InvalidAppend::Metadata { id, .. } if id == bad.id), "{error:?}");
}

/// All that can be wrong with an append, each beside good ones: in a store that writes appends in groups, in one group.
pub async fn an_append_that_cannot_be_written_fails_alone_in_its_group(store: Store) {
    let (there, _) = write(&store, "account-there", 1).await;
    let before = log(&store).await;
    let kinds = ["good", "nul", "nul in metadata", "no json", "large", "id twice", "id in use", "conflict", "empty"];
    let append_of = |number: usize| {
        let to = format!("account-{number}");
        let good = event(&to);
        let with = |bad: NewEvent| Append::new(vec![good.clone(), bad, event(&to)]);
        let with_payload = |payload: String| with(NewEvent { payload: Payload::from_bytes(payload), ..event(&to) });
        match kinds[number % kinds.len()] {
            "nul" => with_payload("{\"a\":\"\\u0000\"}".to_owned()),
            "nul in metadata" => {
                let mut bad = event(&to);
                bad.metadata.actor = Some("An\0n".to_owned());
                with(bad)
            }
            "no json" => with_payload("{".to_owned()),
            "large" => with_payload(format!("\"{}\"", "x".repeat(Limits::default().event_bytes))),
            "id twice" => with(good.clone()),
            "id in use" => with(event(&to).with_id(there[0].id)),
            "conflict" => with(event(&to)).expect(stream(&to), ExpectedVersion::StreamExists),
            "empty" => Append::new(vec![]),
            _ => Append::new(vec![good, event("account-of-all")]),
        }
    };
    // Polled by one task, so that all of them are sent before the first is answered.
    let appends = (0..kinds.len() * 20).map(|number| store.append(append_of(number)));
    let outcomes = futures::future::join_all(appends).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        use AppendError::{Conflict, EventIdReused, Invalid};
        let kind = kinds[number % kinds.len()];
        let as_it_should = match kind {
            "nul" | "no json" => matches!(outcome, Err(Invalid(InvalidAppend::Payload { .. }))),
            "nul in metadata" => matches!(outcome, Err(Invalid(InvalidAppend::Metadata { .. }))),
            "large" => matches!(outcome, Err(Invalid(InvalidAppend::TooLarge { .. }))),
            "id twice" => matches!(outcome, Err(Invalid(InvalidAppend::RepeatedEventId { .. }))),
            "id in use" => matches!(outcome, Err(EventIdReused { id, .. }) if *id == there[0].id),
            "conflict" => matches!(outcome, Err(Conflict { actual: None, .. })),
            "empty" => matches!(outcome, Err(Invalid(InvalidAppend::Empty))),
            _ => matches!(outcome, Ok(appended) if appended.versions.len() == 2),
        };
        assert!(as_it_should, "append {number}, {kind}: {outcome:?}");
    }
    let log = log(&store).await;
    assert_eq!(log[..1], before);
    assert_eq!(log.len(), 1 + 2 * 20, "all that is good is written, and nothing else");
    assert_eq!(stream_of(&store, "account-of-all").await.len(), 20);
}

/// On a store whose database refuses events of the type `account.poisoned.v1`: what no check before the queue can find.
pub async fn an_append_that_the_database_refuses_fails_alone_in_its_group(store: Store) {
    let appends = (0..60).map(|number| {
        let mut event = event(&format!("account-{number}"));
        if number % 20 == 7 {
            event.event_type = event_type("account.poisoned.v1");
        }
        store.append(Append::new(vec![event]))
    });
    // Polled by one task, so that all of them are sent before the first is answered.
    let outcomes = futures::future::join_all(appends).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        let as_it_should = match number % 20 {
            7 => matches!(outcome, Err(AppendError::Permanent(_))),
            _ => outcome.is_ok(),
        };
        assert!(as_it_should, "append {number}: {outcome:?}");
    }
    assert_eq!(log(&store).await.len(), 57);
}
