//! Windows of one stream.

use cqrs_core::{Append, GlobalPosition, ReadStream, RecordedEvent, Timestamp, Version};

use super::{Store, append, event, page, stream, stream_of, version, write};

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

pub async fn paging_forward_and_backward_gives_every_event_once(store: Store) {
    let events = given(&store).await;
    for limit in [1, 2, 5, 6] {
        let (mut seen, mut read) = (Vec::new(), all().limit(limit));
        loop {
            let page = page(&store, read.clone()).await;
            assert!(page.events.len() <= limit);
            seen.extend(page.events);
            match seen.last() {
                Some(last) if page.more => read = read.from(last.version.next()),
                _ => break,
            }
        }
        assert_eq!(seen, events, "forward, {limit} at a time");
        let (mut seen, mut read) = (Vec::new(), all().limit(limit).backward());
        loop {
            let page = page(&store, read.clone()).await;
            seen.extend(page.events);
            match seen.last().and_then(|last: &RecordedEvent| last.version.previous()) {
                Some(before) if page.more => read = read.to(before),
                _ => break,
            }
        }
        seen.reverse();
        assert_eq!(seen, events, "backward, {limit} at a time");
    }
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
