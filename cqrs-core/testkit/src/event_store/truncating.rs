//! Streams that are truncated: read from a later version on, with all their events in the log.

use cqrs_core::{
    Append, ExpectedVersion, GlobalPosition, ReadStream, RecordedEvent, StreamFacts, StreamFactsChange,
    StreamFactsError, Timestamp, Version,
};

use super::archiving::{archive, facts_of, known, restore};
use super::{
    Store, append, assert_conflict, assert_repeats, event, events, exact, log, page, refuse, stream, stream_of,
    version, write,
};

const A: &str = "account-a";

fn all() -> ReadStream {
    ReadStream::new(stream(A))
}

async fn truncate(store: &Store, name: &str, before: u64) -> Result<StreamFacts, StreamFactsError> {
    facts_of(store).change_facts(&stream(name), StreamFactsChange::TruncateBefore(version(before))).await
}

/// Five events, each in an append of its own, among those of other streams, truncated before the third.
async fn given(store: &Store) -> Vec<RecordedEvent> {
    for _ in 0..5 {
        write(store, "account-b", 1).await;
        write(store, A, 1).await;
    }
    let events = stream_of(store, A).await;
    let facts = truncate(store, A, 3).await.expect("the stream is truncated");
    assert_eq!((facts.truncated_before, facts.archived), (Version::new(3), None));
    events
}

async fn versions(store: &Store, read: ReadStream) -> Vec<u64> {
    let page = page(store, read).await;
    assert_eq!(page.truncated_before, Version::new(3), "each page says where the stream begins");
    page.events.iter().map(|event| event.version.get()).collect()
}

pub async fn a_truncated_stream_begins_at_that_version(store: Store) {
    let events = given(&store).await;
    assert_eq!(stream_of(&store, A).await, events[2..]);
    assert_eq!(versions(&store, all()).await, [3, 4, 5]);
    assert_eq!(versions(&store, all().backward()).await, [5, 4, 3]);
    assert_eq!(versions(&store, all().from(version(2)).to(version(4))).await, [3, 4]);
    assert_eq!(versions(&store, all().from(version(4))).await, [4, 5]);
    assert_eq!(versions(&store, all().to(version(3)).backward()).await, [3]);
    assert_eq!(known(&store, A).await.truncated_before, Version::new(3));
}

pub async fn a_window_before_the_truncation_is_empty_and_says_why(store: Store) {
    let events = given(&store).await;
    for read in [
        all().to(version(2)),
        all().until(events[1].position),
        all().recorded_until(events[1].recorded_at),
        all().recorded_until(Timestamp::MIN),
        all().until(GlobalPosition::START),
        all().from(version(6)),
    ] {
        assert_eq!(versions(&store, read.clone()).await, [0u64; 0]);
        assert_eq!(versions(&store, read.backward()).await, [0u64; 0]);
    }
}

pub async fn a_stream_that_is_not_truncated_says_so(store: Store) {
    given(&store).await;
    archive(&store, "account-b").await;
    for name in ["account-b", "account-none"] {
        assert_eq!(page(&store, ReadStream::new(stream(name))).await.truncated_before, None);
    }
    assert_eq!(stream_of(&store, "account-b").await.len(), 5);
}

pub async fn paging_through_a_truncated_stream_gives_every_event_once(store: Store) {
    append(&store, Append::new(events(A, 1_000))).await;
    truncate(&store, A, 301).await.expect("the stream is truncated");
    let expected: Vec<u64> = (301..=1_000).collect();
    for limit in [7, 256, 699, 700, 1_000] {
        let (mut forward, mut read) = (Vec::new(), all().limit(limit));
        loop {
            let page = page(&store, read.clone()).await;
            forward.extend(page.events.iter().map(|event| event.version.get()));
            assert_eq!(page.more, forward.last() != Some(&1_000), "{limit} at a time");
            match page.events.last() {
                Some(last) if page.more => read = read.from(last.version.next()),
                _ => break,
            }
        }
        assert_eq!(forward, expected, "forward, {limit} at a time");
        let (mut backward, mut read) = (Vec::new(), all().limit(limit).backward());
        loop {
            let page = page(&store, read.clone()).await;
            backward.extend(page.events.iter().map(|event| event.version.get()));
            assert_eq!(page.more, backward.last() != Some(&301), "{limit} at a time");
            match page.events.last().and_then(|last| last.version.previous()) {
                Some(before) if page.more => read = read.to(before),
                _ => break,
            }
        }
        backward.reverse();
        assert_eq!(backward, expected, "backward, {limit} at a time");
    }
}

pub async fn the_log_still_holds_what_was_cut_off(store: Store) {
    given(&store).await;
    let log = log(&store).await;
    assert_eq!(log.len(), 10);
    assert_eq!(log.iter().filter(|event| event.stream.as_str() == A).count(), 5);
    let filter = cqrs_core::Filter::All.skip_archived();
    let mut subscription = store.subscribe(GlobalPosition::START, filter).await.expect("the log can be followed");
    assert_eq!(subscription.next().await.expect("the log can be followed").events, log);
}

pub async fn versions_and_what_is_expected_of_them_stay(store: Store) {
    given(&store).await;
    for expected in [ExpectedVersion::NoStream, exact(3)] {
        let error = refuse(&store, Append::new(vec![event(A)]).expect(stream(A), expected)).await;
        assert_conflict(&error, A, expected, Some(5));
    }
    let appended = append(&store, Append::new(vec![event(A)]).expect(stream(A), exact(5))).await;
    assert_eq!(appended.versions, [version(6)]);
}

pub async fn what_was_cut_off_can_be_appended_again(store: Store) {
    let once = Append::new(events(A, 2)).expect(stream(A), ExpectedVersion::NoStream);
    let first = append(&store, once.clone()).await;
    write(&store, A, 3).await;
    truncate(&store, A, 4).await.expect("the stream is truncated");
    assert_repeats(&append(&store, once).await, &first);
}

pub async fn a_truncation_goes_forward_only(store: Store) {
    given(&store).await;
    for before in [3, 5, 5] {
        let facts = truncate(&store, A, before).await.expect("again, or further");
        assert_eq!(facts.truncated_before, Version::new(before));
    }
    for before in [1, 4] {
        let error = truncate(&store, A, before).await.expect_err("back");
        assert!(
            matches!(&error, StreamFactsError::TruncatedFurther { stream, version, truncated_before }
                if stream.as_str() == A && version.get() == before && truncated_before.get() == 5),
            "{error:?}"
        );
    }
    assert_eq!(known(&store, A).await.truncated_before, Version::new(5));
}

pub async fn a_truncation_beyond_the_end_is_refused(store: Store) {
    given(&store).await;
    for before in [6, i64::MAX.cast_unsigned()] {
        let error = truncate(&store, A, before).await.expect_err("beyond the end");
        assert!(
            matches!(&error, StreamFactsError::VersionBeyondEnd { stream, version, newest }
                if stream.as_str() == A && version.get() == before && newest.get() == 5),
            "{error:?}"
        );
    }
    let error = truncate(&store, "account-none", 1).await.expect_err("no stream");
    assert!(matches!(error, StreamFactsError::NoSuchStream { .. }), "{error:?}");
    assert_eq!(versions(&store, all()).await, [3, 4, 5]);
}

pub async fn truncating_before_the_first_event_does_nothing(store: Store) {
    write(&store, A, 2).await;
    assert!(truncate(&store, A, 1).await.expect("there is nothing before it").is_empty());
    assert_eq!(stream_of(&store, A).await.len(), 2);
}

pub async fn a_stream_can_be_archived_and_truncated(store: Store) {
    given(&store).await;
    let archived = archive(&store, A).await;
    assert!(archived.archived.is_some() && archived.truncated_before == Version::new(3));
    let further = truncate(&store, A, 4).await.expect("an archived stream is truncated");
    assert_eq!((further.archived, further.truncated_before), (archived.archived, Version::new(4)));
    assert_eq!(known(&store, A).await, further);
    let page = facts_of(&store).list_facts(None, 10).await.expect("facts can be read");
    assert_eq!(page.streams, [(stream(A), further)]);
    let restored = restore(&store, A).await;
    assert_eq!((restored.archived, restored.truncated_before), (None, Version::new(4)));
    assert_eq!(known(&store, A).await, restored);
}
