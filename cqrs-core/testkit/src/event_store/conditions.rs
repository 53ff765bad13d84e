//! What a writer expects of streams.

use cqrs_core::{Append, ExpectedVersion};

use super::{
    Store, append, assert_conflict, event, exact, ids, log, new_ids, refuse, stream, stream_of, version, write,
};

const A: &str = "account-a";
const B: &str = "account-b";

async fn one(store: &Store, expected: ExpectedVersion) -> u64 {
    append(store, Append::new(vec![event(A)]).expect(stream(A), expected)).await.version().get()
}

async fn refused(store: &Store, expected: ExpectedVersion, actual: Option<u64>) {
    let error = refuse(store, Append::new(vec![event(A)]).expect(stream(A), expected)).await;
    assert_conflict(&error, A, expected, actual);
}

pub async fn any_version_holds_for_every_stream(store: Store) {
    assert_eq!(one(&store, ExpectedVersion::Any).await, 1);
    assert_eq!(one(&store, ExpectedVersion::Any).await, 2);
    assert_eq!(append(&store, Append::new(vec![event(A)])).await.version(), version(3), "no condition is any");
}

pub async fn no_stream_holds_until_the_first_event(store: Store) {
    assert_eq!(one(&store, ExpectedVersion::NoStream).await, 1);
    refused(&store, ExpectedVersion::NoStream, Some(1)).await;
}

pub async fn an_existing_stream_has_an_event(store: Store) {
    refused(&store, ExpectedVersion::StreamExists, None).await;
    write(&store, A, 2).await;
    assert_eq!(one(&store, ExpectedVersion::StreamExists).await, 3);
}

pub async fn an_exact_version_is_that_of_the_newest_event(store: Store) {
    refused(&store, exact(1), None).await;
    write(&store, A, 2).await;
    refused(&store, exact(1), Some(2)).await;
    refused(&store, exact(3), Some(2)).await;
    assert_eq!(one(&store, exact(2)).await, 3);
}

pub async fn a_condition_speaks_of_its_own_stream_only(store: Store) {
    write(&store, "account-a1", 3).await;
    write(&store, "Account-a", 2).await;
    assert_eq!(one(&store, ExpectedVersion::NoStream).await, 1);
    assert_eq!(one(&store, exact(1)).await, 2);
}

pub async fn several_streams_are_written_when_all_conditions_hold(store: Store) {
    write(&store, A, 2).await;
    let events = vec![event(A), event(B)];
    let appended = append(
        &store,
        Append::new(events.clone()).expect(stream(A), exact(2)).expect(stream(B), ExpectedVersion::NoStream),
    )
    .await;
    assert_eq!(appended.versions, [version(3), version(1)]);
    assert_eq!(ids(&log(&store).await)[2..], new_ids(&events));
}

pub async fn no_stream_is_written_when_one_of_the_conditions_fails(store: Store) {
    write(&store, A, 2).await;
    let both = |of_a, of_b| Append::new(vec![event(A), event(B)]).expect(stream(A), of_a).expect(stream(B), of_b);
    let error = refuse(&store, both(exact(2), exact(1))).await;
    assert_conflict(&error, B, exact(1), None);
    let error = refuse(&store, both(exact(1), ExpectedVersion::NoStream)).await;
    assert_conflict(&error, A, exact(1), Some(2));
    assert_eq!(stream_of(&store, B).await, []);
}

pub async fn a_condition_on_a_stream_that_is_not_written_decides_too(store: Store) {
    let guarded = |expected| Append::new(vec![event(A)]).expect(stream(B), expected);
    let error = refuse(&store, guarded(ExpectedVersion::StreamExists)).await;
    assert_conflict(&error, B, ExpectedVersion::StreamExists, None);
    append(&store, guarded(ExpectedVersion::NoStream)).await;
    write(&store, B, 4).await;
    let error = refuse(&store, guarded(exact(3))).await;
    assert_conflict(&error, B, exact(3), Some(4));
    assert_eq!(append(&store, guarded(exact(4))).await.versions, [version(2)]);
    assert_eq!(stream_of(&store, B).await.len(), 4, "a condition writes nothing");
}
