//! Windows of the log by type and tag.

use cqrs_core::{EventQuery, Filter, GlobalPosition, NewEvent, QueryItem, ReadAll, RecordedEvent, StoreError};
use proptest::prelude::*;

use super::archiving::archive;
use super::{Append, Store, append, event_type, for_all, log, tagged};

pub(super) fn item(types: &[&str], tags: &[&str]) -> QueryItem {
    let item = QueryItem::new().types(types.iter().map(|name| event_type(name)));
    tags.iter().fold(item, |item, tag| item.tag(*tag))
}

pub(super) fn query(types: &[&str], tags: &[&str]) -> EventQuery {
    item(types, tags).into()
}

/// The numbers of the events, from 1, in a log without holes.
async fn found(store: &Store, query: EventQuery) -> Vec<u64> {
    found_in(store, ReadAll::after(GlobalPosition::START).filter(Filter::Query(query))).await
}

async fn found_in(store: &Store, read: ReadAll) -> Vec<u64> {
    read_to_the_end(store, read).await.iter().map(|event| event.position.get()).collect()
}

/// The rules of a page are checked on the way.
async fn read_to_the_end(store: &Store, mut read: ReadAll) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    loop {
        let page = store.read_all(read.clone()).await.expect("the log can be read");
        assert!(page.events.len() <= read.limit && page.scanned_to >= read.after);
        assert!(page.events.iter().all(|event| event.position > read.after && event.position <= page.scanned_to));
        seen.extend(page.events);
        if !page.more {
            let head = store.head().await.expect("the head can be read").position;
            assert_eq!(page.scanned_to, read.until.min(head).max(read.after), "it passes what does not match");
            return seen;
        }
        assert!(page.scanned_to > read.after, "a page that says there is more moves on");
        read.after = page.scanned_to;
    }
}

/// Two courses and their enrolments.
async fn given(store: &Store) {
    let events: [(&str, &str, &[&str]); 6] = [
        ("course-1", "course.defined.v1", &["course:c1"]),
        ("course-2", "course.defined.v1", &["course:c2"]),
        ("student-1", "student.enrolled.v1", &["course:c1", "student:s1"]),
        ("student-1", "student.enrolled.v1", &["course:c2", "student:s1"]),
        ("student-2", "student.enrolled.v2", &["student:s2", "course:c1", "course:c1"]),
        ("account-1", "account.opened.v1", &[]),
    ];
    for (to, what, tags) in events {
        append(store, Append::new(vec![tagged(to, what, tags)])).await;
    }
}

pub async fn a_query_finds_events_of_any_of_its_types(store: Store) {
    given(&store).await;
    assert_eq!(found(&store, query(&["course.defined.v1"], &[])).await, [1, 2]);
    assert_eq!(found(&store, query(&["student.enrolled.v2", "course.defined.v1"], &[])).await, [1, 2, 5]);
    assert_eq!(found(&store, query(&["course.closed.v1"], &[])).await, [0; 0]);
}

pub async fn a_query_finds_events_that_have_all_of_its_tags(store: Store) {
    given(&store).await;
    assert_eq!(found(&store, query(&[], &["course:c1"])).await, [1, 3, 5]);
    assert_eq!(found(&store, query(&[], &["student:s1", "course:c2"])).await, [4]);
    assert_eq!(found(&store, query(&[], &["course:c1", "course:c2"])).await, [0; 0]);
    for unknown in ["course:c", "course:c11", "COURSE:C1", "course:C1", "c1"] {
        assert_eq!(found(&store, query(&[], &[unknown])).await, [0; 0], "{unknown}");
    }
}

pub async fn a_query_finds_events_of_a_type_with_a_tag(store: Store) {
    given(&store).await;
    assert_eq!(found(&store, query(&["student.enrolled.v1"], &["course:c1"])).await, [3]);
    let both = ["student.enrolled.v1", "student.enrolled.v2"];
    assert_eq!(found(&store, query(&both, &["course:c1"])).await, [3, 5]);
    assert_eq!(found(&store, query(&["account.opened.v1"], &["course:c1"])).await, [0; 0]);
}

pub async fn what_several_items_match_is_found_once(store: Store) {
    given(&store).await;
    let items = [item(&[], &["course:c1"]), item(&[], &["student:s1"]), item(&["account.opened.v1"], &[])];
    assert_eq!(found(&store, EventQuery::any_of(items)).await, [1, 3, 4, 5, 6]);
}

pub async fn a_query_without_items_is_every_event(store: Store) {
    given(&store).await;
    assert_eq!(found(&store, EventQuery::all()).await, [1, 2, 3, 4, 5, 6]);
}

pub async fn a_query_is_read_page_by_page_within_its_window(store: Store) {
    for number in 0..40 {
        let tags: &[&str] = if number % 4 == 0 { &["course:c1", "vip"] } else { &["course:c1"] };
        append(&store, Append::new(vec![tagged(&format!("course-{}", number % 3), "course.moved.v1", tags)])).await;
    }
    let vip: Vec<u64> = (1..=40).step_by(4).collect();
    let all = || ReadAll::after(GlobalPosition::START).filter(Filter::Query(query(&[], &["vip", "course:c1"])));
    for limit in [1, 3, 10, 11, 5_000] {
        assert_eq!(found_in(&store, all().limit(limit)).await, vip, "{limit} in a page");
    }
    assert_eq!(found_in(&store, all().bytes(1)).await, vip, "an event in a page at least");
    let mut window = all().until(GlobalPosition::new(21)).limit(2);
    window.after = GlobalPosition::new(5);
    assert_eq!(found_in(&store, window).await, [9, 13, 17, 21]);
}

pub async fn a_query_passes_archived_streams_over_when_told_to(store: Store) {
    given(&store).await;
    archive(&store, "student-1").await;
    let course = Filter::Query(query(&[], &["course:c1"]));
    let read = ReadAll::after(GlobalPosition::START).limit(1);
    assert_eq!(found_in(&store, read.clone().filter(course.clone())).await, [1, 3, 5]);
    assert_eq!(found_in(&store, read.filter(course.skip_archived())).await, [1, 5]);
}

pub async fn a_subscription_follows_a_query(store: Store) {
    given(&store).await;
    let wanted = Filter::Query(query(&["student.enrolled.v1", "student.enrolled.v2"], &["course:c1"]));
    let mut subscription = store.subscribe(GlobalPosition::START, wanted).await.expect("the log can be followed");
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 2 {
        let page = subscription.next().await.expect("the log can be followed");
        seen.extend(page.events.iter().map(|event| event.position.get()));
    }
    let later = ["course:c2", "course:c1"].map(|tag| tagged("student-3", "student.enrolled.v1", &[tag]));
    append(&store, Append::new(later.to_vec())).await;
    while seen.len() < 3 {
        let page = subscription.next().await.expect("the log can be followed");
        seen.extend(page.events.iter().map(|event| event.position.get()));
    }
    assert_eq!(seen, [3, 5, 8]);
}

pub async fn a_tag_may_hold_anything_but_nul(store: Store) {
    let tags =
        ["'; drop table events; --", "{a,\"b\"}", "%_", "\\", " ", "émile", "\u{1f3b5}", "a\nb", "[]", "null", "$1"];
    let longest = "x".repeat(255);
    let tags: Vec<&str> = tags.into_iter().chain([longest.as_str()]).collect();
    for tag in &tags {
        append(&store, Append::new(vec![tagged("a-1", "a.happened.v1", &[tag])])).await;
    }
    append(&store, Append::new(vec![tagged("a-1", "a.happened.v1", &tags)])).await;
    let all = tags.len() as u64 + 1;
    for (number, tag) in (1..).zip(&tags) {
        assert_eq!(found(&store, query(&[], &[tag])).await, [number, all], "{tag:?}");
    }
    assert_eq!(found(&store, query(&[], &tags)).await, [all]);
}

pub async fn a_query_that_no_event_can_match_is_refused(store: Store) {
    for tag in ["", "a\0b", &"x".repeat(256)] {
        let read = ReadAll::after(GlobalPosition::START).filter(Filter::Query(query(&[], &["good", tag])));
        assert!(matches!(store.read_all(read).await, Err(StoreError::Permanent(_))), "{tag:?}");
    }
}

pub(super) fn some_tags() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec((0..4u8).prop_map(|number| format!("tag:{number}")), 0..4)
}

fn some_type() -> impl Strategy<Value = String> {
    (0..3u8).prop_map(|number| format!("a.happened{number}.v1"))
}

fn some_event() -> impl Strategy<Value = NewEvent> {
    (0..3u8, some_type(), some_tags()).prop_map(|(stream, event_type, tags)| {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        tagged(&format!("a-{stream}"), &event_type, &tags)
    })
}

fn some_query() -> impl Strategy<Value = EventQuery> {
    let item = (prop::collection::vec(some_type(), 0..3), some_tags()).prop_map(|(types, tags)| {
        let (types, tags): (Vec<&str>, Vec<&str>) =
            (types.iter().map(String::as_str).collect(), tags.iter().map(String::as_str).collect());
        item(&types, &tags)
    });
    prop::collection::vec(item, 0..4).prop_map(EventQuery::any_of)
}

pub async fn a_query_finds_what_looking_at_each_event_finds(store: Store) {
    let cases = (prop::collection::vec(some_event(), 1..8), some_query(), 1..5usize, 0..10u64);
    for_all(40, &cases, async |(events, query, limit, back)| {
        append(&store, Append::new(events.into_iter().map(|event| event.with_id(cqrs_core::EventId::new())).collect()))
            .await;
        let log = log(&store).await;
        let mut read = ReadAll::after(GlobalPosition::START).filter(Filter::Query(query.clone())).limit(limit);
        read.after = GlobalPosition::new((log.len() as u64).saturating_sub(back));
        let matching = |event: &&RecordedEvent| event.position > read.after && query.matches_recorded(event);
        let expected: Vec<_> = log.iter().filter(matching).cloned().collect();
        assert_eq!(read_to_the_end(&store, read).await, expected);
    });
}
