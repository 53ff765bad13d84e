//! Appends that no store can keep: each fails alone, says why, and changes nothing.

use cqrs_core::{Append, AppendError, ExpectedVersion, InvalidAppend, Limits, NewEvent, Payload};

use super::{Store, event, events, json, log, refuse, stream, stream_of, write};

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

pub async fn malformed_appends_do_not_harm_their_neighbours(store: Store) {
    let tasks: Vec<_> = (0..60)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let to = format!("account-{number}");
                let append = match number % 3 {
                    0 => Append::new(vec![event(&to)]),
                    1 => Append::new(vec![event(&to), NewEvent { payload: json("{\"a\":\"\\u0000\"}"), ..event(&to) }]),
                    _ => Append::new(vec![event(&to)]).expect(stream(&to), ExpectedVersion::StreamExists),
                };
                (number % 3, store.append(append).await)
            })
        })
        .collect();
    for task in futures::future::join_all(tasks).await {
        let (kind, result) = task.expect("an append does not panic");
        let as_it_should = match kind {
            0 => result.is_ok(),
            1 => matches!(result, Err(AppendError::Invalid(InvalidAppend::Payload { .. }))),
            _ => matches!(result, Err(AppendError::Conflict { .. })),
        };
        assert!(as_it_should, "append of kind {kind}: {result:?}");
    }
    assert_eq!(log(&store).await.len(), 20);
}
