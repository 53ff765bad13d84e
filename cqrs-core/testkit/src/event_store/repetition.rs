//! An event id is unique in the store, which makes an append repeatable.

use cqrs_core::{Append, AppendError, Appended, ExpectedVersion, NewEvent, Version};

use super::{
    Store, append, assert_conflict, assert_repeats, event, event_type, events, exact, json, log, new_ids, refuse,
    stream, stream_of, version,
};

const A: &str = "account-a";

/// e0, e1, …, appended to a new stream in one append.
async fn given(store: &Store, count: usize) -> (Vec<NewEvent>, Appended) {
    let events = events(A, count);
    let first = append(store, expecting(&events, ExpectedVersion::NoStream)).await;
    assert!(!first.repeated, "the first time it is written");
    (events, first)
}

fn expecting(events: &[NewEvent], expected: ExpectedVersion) -> Append {
    Append::new(events.to_vec()).expect(stream(A), expected)
}

#[track_caller]
fn assert_reused(error: &AppendError, event: &NewEvent, at: u64) {
    assert!(
        matches!(error, AppendError::EventIdReused { id, stream, version }
            if *id == event.id && stream.as_str() == A && version.get() == at),
        "the id {} of version {at} of {A} is reused; but it is {error:?}",
        event.id
    );
}

pub async fn the_first_of_six_events_again_answers_with_its_position(store: Store) {
    let (events, first) = given(&store, 6).await;
    let written = log(&store).await;
    for expected in [ExpectedVersion::NoStream, ExpectedVersion::Any] {
        let again = append(&store, expecting(&events[..1], expected)).await;
        assert_eq!((again.first_position, again.position), (first.first_position, first.first_position));
        assert_eq!((again.versions, again.repeated), (vec![Version::FIRST], true));
    }
    assert_eq!(log(&store).await, written);
    assert_eq!(written.len(), 6);
}

pub async fn all_six_events_again_answer_with_their_positions(store: Store) {
    let (events, first) = given(&store, 6).await;
    for expected in [ExpectedVersion::NoStream, ExpectedVersion::Any] {
        assert_repeats(&append(&store, expecting(&events, expected)).await, &first);
    }
    assert_repeats(&append(&store, Append::new(events)).await, &first);
    assert_eq!(log(&store).await.len(), 6);
}

pub async fn a_later_event_again_expecting_the_version_before_it_answers_with_its_position(store: Store) {
    let events = events(A, 2);
    append(&store, expecting(&events[..1], ExpectedVersion::NoStream)).await;
    let first = append(&store, expecting(&events[1..], exact(1))).await;
    assert_repeats(&append(&store, expecting(&events[1..], exact(1))).await, &first);
    assert_eq!(first.versions, [version(2)]);
    assert_eq!(log(&store).await.len(), 2);
}

pub async fn a_later_event_of_one_append_again_answers_with_its_own_position(store: Store) {
    let (events, first) = given(&store, 2).await;
    let again = append(&store, expecting(&events[1..], exact(1))).await;
    assert_eq!((again.first_position, again.position, again.repeated), (first.position, first.position, true));
    assert_eq!(log(&store).await.len(), 2);
}

pub async fn known_events_followed_by_a_new_one_are_a_conflict(store: Store) {
    let (mut again, _) = given(&store, 2).await;
    again.push(event(A));
    let error = refuse(&store, expecting(&again, ExpectedVersion::NoStream)).await;
    assert_conflict(&error, A, ExpectedVersion::NoStream, Some(2));
}

pub async fn the_first_event_again_expecting_the_end_reuses_its_id(store: Store) {
    let (events, _) = given(&store, 6).await;
    assert_reused(&refuse(&store, expecting(&events[..1], exact(6))).await, &events[0], 1);
}

pub async fn a_new_event_followed_by_a_known_one_reuses_its_id_whatever_is_expected(store: Store) {
    let (events, _) = given(&store, 6).await;
    for expected in
        [ExpectedVersion::Any, ExpectedVersion::NoStream, ExpectedVersion::StreamExists, exact(1), exact(6), exact(7)]
    {
        let error = refuse(&store, expecting(&[event(A), events[0].clone()], expected)).await;
        assert_reused(&error, &events[0], 1);
    }
}

pub async fn the_first_event_again_expecting_one_beyond_the_end_is_a_conflict(store: Store) {
    let (events, _) = given(&store, 6).await;
    assert_conflict(&refuse(&store, expecting(&events[..1], exact(7))).await, A, exact(7), Some(6));
}

pub async fn a_known_id_in_another_stream_is_reused(store: Store) {
    let (events, _) = given(&store, 1).await;
    let elsewhere = NewEvent { stream: stream("account-b"), ..events[0].clone() };
    assert_reused(&refuse(&store, Append::new(vec![elsewhere.clone()])).await, &events[0], 1);
    let error = refuse(&store, Append::new(vec![elsewhere]).expect(stream("account-b"), ExpectedVersion::NoStream));
    assert_reused(&error.await, &events[0], 1);
}

pub async fn a_known_id_with_another_type_is_reused(store: Store) {
    let (events, _) = given(&store, 1).await;
    let other = NewEvent { event_type: event_type("account.deposited.v2"), ..events[0].clone() };
    assert_reused(&refuse(&store, expecting(&[other], ExpectedVersion::NoStream)).await, &events[0], 1);
}

pub async fn a_known_id_with_another_payload_is_reused(store: Store) {
    let (events, _) = given(&store, 1).await;
    for payload in [r#"{"number":1}"#, r#"{"number": 0}"#, r#"{"number":0.0}"#] {
        let other = NewEvent { payload: json(payload), ..events[0].clone() };
        for expected in [ExpectedVersion::NoStream, ExpectedVersion::Any] {
            assert_reused(&refuse(&store, expecting(std::slice::from_ref(&other), expected)).await, &events[0], 1);
        }
    }
}

pub async fn known_events_in_another_order_reuse_their_ids(store: Store) {
    let (events, _) = given(&store, 2).await;
    let turned = [events[1].clone(), events[0].clone()];
    let error = refuse(&store, expecting(&turned, ExpectedVersion::Any)).await;
    assert_reused(&error, &events[0], 1);
}

pub async fn an_append_is_repeated_after_the_stream_went_on(store: Store) {
    let (first_events, first) = given(&store, 3).await;
    append(&store, Append::new(events(A, 4))).await;
    assert_repeats(&append(&store, expecting(&first_events, ExpectedVersion::NoStream)).await, &first);
    assert_eq!(stream_of(&store, A).await.len(), 7);
}

pub async fn an_append_to_several_streams_is_repeated_as_a_whole(store: Store) {
    let events = vec![event(A), event("account-b"), event(A)];
    let both = || {
        Append::new(events.clone())
            .expect(stream(A), ExpectedVersion::NoStream)
            .expect(stream("account-b"), ExpectedVersion::NoStream)
    };
    let first = append(&store, both()).await;
    assert_repeats(&append(&store, both()).await, &first);
    assert_eq!(super::ids(&log(&store).await), new_ids(&events));
}

pub async fn a_refused_append_can_be_repeated_when_the_condition_holds(store: Store) {
    let events = events(A, 2);
    refuse(&store, expecting(&events, exact(1))).await;
    append(&store, Append::new(vec![event(A)])).await;
    let appended = append(&store, expecting(&events, exact(1))).await;
    assert_eq!((appended.versions, appended.repeated), (vec![version(2), version(3)], false));
}
