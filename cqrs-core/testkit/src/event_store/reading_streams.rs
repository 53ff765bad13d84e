//! Windows of one stream.

use cqrs_core::{Append, Direction, GlobalPosition, ReadStream, RecordedEvent, Timestamp, Version};
use proptest::prelude::*;
use proptest::sample::select;

use super::reading_all::{any_position, given_many};
use super::{Store, append, event, for_all, page, stream, stream_of, version, write};

const A: &str = "account-a";

fn all() -> ReadStream {
    ReadStream::new(stream(A))
}

async fn versions(store: &Store, read: ReadStream) -> Vec<u64> {
    page(store, read).await.events.iter().map(|event| event.version.get()).collect()
}

/// Five events, each in an append of its own, among those of other streams.
async fn given(store: &Store) -> Vec<RecordedEvent> {
    for _ in 0..5 {
        write(store, "account-b", 1).await;
        write(store, A, 1).await;
    }
    stream_of(store, A).await
}

pub async fn a_stream_that_does_not_exist_is_empty(store: Store) {
    for read in [all(), all().backward(), all().from(version(3)), all().limit(1)] {
        let page = page(&store, read).await;
        assert_eq!((page.events, page.more), (vec![], false));
    }
    given(&store).await;
    assert_eq!(stream_of(&store, "account-c").await, []);
    assert_eq!(stream_of(&store, "account-a2").await, []);
}

pub async fn a_stream_is_read_forward(store: Store) {
    given(&store).await;
    let page = page(&store, all()).await;
    assert!(page.events.iter().all(|event| event.stream.as_str() == A));
    assert_eq!(versions(&store, all()).await, [1, 2, 3, 4, 5]);
    assert!(!page.more);
}

pub async fn a_stream_is_read_backward(store: Store) {
    let mut events = given(&store).await;
    events.reverse();
    assert_eq!(page(&store, all().backward()).await.events, events);
}

pub async fn a_window_of_versions_includes_its_bounds(store: Store) {
    given(&store).await;
    assert_eq!(versions(&store, all().from(version(2)).to(version(4))).await, [2, 3, 4]);
    assert_eq!(versions(&store, all().from(version(2)).to(version(4)).backward()).await, [4, 3, 2]);
    assert_eq!(versions(&store, all().from(version(3)).to(version(3))).await, [3]);
    assert_eq!(versions(&store, all().from(version(4))).await, [4, 5]);
    assert_eq!(versions(&store, all().to(version(2)).backward()).await, [2, 1]);
}

pub async fn a_window_beyond_the_end_or_turned_around_is_empty(store: Store) {
    given(&store).await;
    assert_eq!(versions(&store, all().from(version(6))).await, [0u64; 0]);
    assert_eq!(versions(&store, all().from(Version::MAX)).await, [0u64; 0]);
    assert_eq!(versions(&store, all().from(version(4)).to(version(3))).await, [0u64; 0]);
    assert_eq!(versions(&store, all().from(version(4)).to(version(3)).backward()).await, [0u64; 0]);
    assert_eq!(versions(&store, all().from(version(5)).to(Version::MAX)).await, [5]);
}

pub async fn reading_up_to_a_recorded_time_includes_that_time(store: Store) {
    let events = given(&store).await;
    for event in &events {
        for time in [event.recorded_at, event.recorded_at.plus_micros(-1)] {
            let expected: Vec<_> = events.iter().filter(|event| event.recorded_at <= time).cloned().collect();
            assert_eq!(page(&store, all().recorded_until(time)).await.events, expected);
            let backward: Vec<_> = expected.into_iter().rev().collect();
            assert_eq!(page(&store, all().recorded_until(time).backward()).await.events, backward);
        }
    }
    assert_eq!(versions(&store, all().recorded_until(Timestamp::MIN)).await, [0u64; 0]);
    assert_eq!(versions(&store, all().recorded_until(Timestamp::MAX)).await, [1, 2, 3, 4, 5]);
}

pub async fn the_occurred_time_does_not_matter_for_reading_up_to_a_recorded_time(store: Store) {
    append(&store, Append::new(vec![event(A).occurred_at(Timestamp::MAX)])).await;
    append(&store, Append::new(vec![event(A).occurred_at(Timestamp::MIN)])).await;
    let newest = stream_of(&store, A).await[1].recorded_at;
    assert_eq!(versions(&store, all().recorded_until(newest)).await, [1, 2]);
}

pub async fn reading_up_to_a_position_includes_that_position(store: Store) {
    let events = given(&store).await;
    for (index, event) in (1..).zip(&events) {
        let expected: Vec<u64> = (1..=index).collect();
        assert_eq!(versions(&store, all().until(event.position)).await, expected);
        let before: Vec<u64> = (1..index).rev().collect();
        assert_eq!(versions(&store, all().until(event.position.previous()).backward()).await, before);
    }
    assert_eq!(versions(&store, all().until(GlobalPosition::START)).await, [0u64; 0]);
}

pub async fn all_bounds_of_a_window_hold_together(store: Store) {
    let events = given(&store).await;
    let read = all().from(version(2)).to(version(5)).until(events[3].position).recorded_until(events[3].recorded_at);
    assert_eq!(versions(&store, read.clone()).await, [2, 3, 4]);
    assert_eq!(versions(&store, read.clone().backward().limit(2)).await, [4, 3]);
    assert_eq!(versions(&store, read.until(events[0].position)).await, [0u64; 0]);
}

/// Reads page by page to the end, each from where the one before it ended.
async fn paged(store: &Store, mut read: ReadStream) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    loop {
        let page = page(store, read.clone()).await;
        assert!(page.events.len() <= read.limit);
        assert!(!page.more || !page.events.is_empty(), "a page that says there is more moves on");
        seen.extend(page.events);
        let next = seen.last().filter(|_| page.more).map(|last| last.version);
        read = match (next, read.direction) {
            (Some(last), Direction::Forward) => read.from(last.next()),
            (Some(last), Direction::Backward) if last > Version::FIRST => read.to(last.previous().unwrap_or(last)),
            _ => return seen,
        };
    }
}

pub async fn pages_of_any_size_are_together_the_window_in_either_direction(store: Store) {
    let log = given_many(&store).await;
    let times =
        select(log.iter().map(|event| event.recorded_at).chain([Timestamp::MIN, Timestamp::MAX]).collect::<Vec<_>>());
    let versions = || (1..=25u64).prop_map(version);
    let windows = (
        select(vec!["account-a", "order-1", "account-b", "invoice-7", "account-c"]),
        (versions(), prop_oneof![versions(), Just(Version::MAX)]),
        any_position(&log),
        times,
        1..=20usize,
        any::<bool>(),
    );
    for_all(100, &windows, async |(name, (from, to), until, recorded_until, limit, backward)| {
        let within = |event: &&RecordedEvent| {
            event.stream.as_str() == name
                && (from..=to).contains(&event.version)
                && event.position <= until
                && event.recorded_at <= recorded_until
        };
        let mut wanted: Vec<_> = log.iter().filter(within).cloned().collect();
        let mut window = ReadStream::new(stream(name)).from(from).to(to).until(until);
        window = window.recorded_until(recorded_until).limit(limit);
        if backward {
            wanted.reverse();
            window = window.backward();
        }
        assert_eq!(paged(&store, window).await, wanted);
    });
}

pub async fn a_page_that_leaves_events_out_says_that_there_is_more(store: Store) {
    given(&store).await;
    for limit in 1..5 {
        assert!(page(&store, all().limit(limit)).await.more);
        assert!(page(&store, all().limit(limit).backward()).await.more);
    }
    for read in [all().limit(6), all().limit(6).backward(), all().from(version(3)).limit(4)] {
        assert!(!page(&store, read).await.more, "nothing is left out");
    }
}
