//! Streams that are archived: closed for appends, open for readers, skipped by those who want to.

use std::collections::HashSet;

use cqrs_core::{
    Append, AppendError, Category, EventId, ExpectedVersion, Filter, GlobalPosition, NewEvent, ReadAll, RecordedEvent,
    StreamFacts, StreamFactsError, StreamFactsStore,
};

use super::{
    Store, append, assert_repeats, event, event_type, exact, ids, log, new_ids, refuse, stream, stream_of, write,
};

const A: &str = "account-a";
const B: &str = "account-b";

pub(super) fn facts_of(store: &Store) -> &dyn StreamFactsStore {
    store.stream_facts()
}

pub(super) async fn known(store: &Store, name: &str) -> StreamFacts {
    facts_of(store).facts(&stream(name)).await.expect("facts can be read")
}

pub(super) async fn archive(store: &Store, name: &str) -> StreamFacts {
    facts_of(store).archive(&stream(name)).await.expect("the stream is archived")
}

pub(super) async fn restore(store: &Store, name: &str) -> StreamFacts {
    facts_of(store).restore(&stream(name)).await.expect("the stream is restored")
}

#[track_caller]
fn assert_archived(error: &AppendError, name: &str) {
    assert!(matches!(error, AppendError::Archived { stream } if stream.as_str() == name), "{error:?}");
}

/// The log as a reader sees it that skips archived streams, page by page.
async fn log_without_archived(store: &Store, filter: Filter, limit: usize) -> Vec<RecordedEvent> {
    let mut read = ReadAll::after(GlobalPosition::START).filter(filter.skip_archived()).limit(limit);
    let mut events = Vec::new();
    loop {
        let page = store.read_all(read.clone()).await.expect("the log can be read");
        assert!(page.events.len() <= limit);
        events.extend(page.events);
        if !page.more {
            let head = store.head().await.expect("the head can be read");
            assert_eq!(page.scanned_to, head.position, "the frontier passes what is skipped");
            return events;
        }
        assert!(page.scanned_to > read.after, "a page that says there is more moves on");
        read.after = page.scanned_to;
    }
}

pub async fn of_most_streams_nothing_is_known(store: Store) {
    write(&store, A, 1).await;
    assert!(known(&store, A).await.is_empty());
    assert!(known(&store, "account-none").await.is_empty());
    let page = facts_of(&store).list_facts(None, 10).await.expect("facts can be read");
    assert_eq!((page.streams, page.more), (vec![], false));
}

pub async fn an_archived_stream_says_since_when(store: Store) {
    write(&store, A, 3).await;
    write(&store, B, 2).await;
    let facts = archive(&store, A).await;
    let archived = facts.archived.expect("it is archived");
    let head = store.head().await.expect("the head can be read");
    assert_eq!(archived.position, head.position, "it has a place in the order of things");
    assert!(Some(archived.at) >= head.recorded_at);
    assert_eq!(facts.truncated_before, None);
    write(&store, B, 1).await;
    assert_eq!(known(&store, A).await, facts);
    assert!(known(&store, B).await.is_empty());
}

pub async fn archiving_again_keeps_the_first_moment(store: Store) {
    write(&store, A, 1).await;
    let facts = archive(&store, A).await;
    write(&store, B, 1).await;
    assert_eq!(archive(&store, A).await, facts);
    assert_eq!(known(&store, A).await, facts);
}

pub async fn a_stream_that_does_not_exist_can_be_neither_archived_nor_restored(store: Store) {
    write(&store, B, 1).await;
    let none = stream(A);
    for refused in [facts_of(&store).archive(&none).await, facts_of(&store).restore(&none).await] {
        let error = refused.expect_err("there is no such stream");
        assert!(matches!(&error, StreamFactsError::NoSuchStream { stream } if *stream == none), "{error:?}");
    }
    assert!(known(&store, A).await.is_empty());
    write(&store, A, 1).await;
}

pub async fn an_append_to_an_archived_stream_is_refused_whatever_is_expected(store: Store) {
    write(&store, A, 3).await;
    archive(&store, A).await;
    for expected in
        [ExpectedVersion::Any, ExpectedVersion::StreamExists, ExpectedVersion::NoStream, exact(3), exact(2), exact(4)]
    {
        let error = refuse(&store, Append::new(vec![event(A)]).expect(stream(A), expected)).await;
        assert_archived(&error, A);
    }
    assert_archived(&refuse(&store, Append::new(vec![event(A), event(A)])).await, A);
}

pub async fn nothing_is_written_when_one_of_the_streams_is_archived(store: Store) {
    write(&store, A, 1).await;
    write(&store, B, 1).await;
    archive(&store, A).await;
    assert_archived(&refuse(&store, Append::new(vec![event(B), event(A), event("account-c")])).await, A);
    let conflict = Append::new(vec![event(B), event(A)]).expect(stream(B), ExpectedVersion::NoStream);
    assert_archived(&refuse(&store, conflict).await, A);
}

pub async fn a_condition_on_an_archived_stream_that_is_not_written_decides_as_before(store: Store) {
    write(&store, A, 2).await;
    archive(&store, A).await;
    append(&store, Append::new(vec![event(B)]).expect(stream(A), exact(2))).await;
    let error = refuse(&store, Append::new(vec![event(B)]).expect(stream(A), exact(1))).await;
    super::assert_conflict(&error, A, exact(1), Some(2));
}

pub async fn what_an_archived_stream_holds_can_be_appended_again(store: Store) {
    let once = Append::new(vec![event(A), event(B)]).expect(stream(A), ExpectedVersion::NoStream);
    let first = append(&store, once.clone()).await;
    archive(&store, A).await;
    assert_repeats(&append(&store, once.clone()).await, &first);
    assert_repeats(
        &append(&store, Append::new(once.events[..1].to_vec())).await,
        &cqrs_core::Appended {
            position: first.first_position,
            versions: first.versions[..1].to_vec(),
            ..first.clone()
        },
    );
    let outcome = store.outcome(&once.event_ids()).await.expect("the outcome is found out");
    assert_eq!(outcome.map(|found| found.position), Some(first.position));
}

pub async fn archived_streams_do_not_harm_the_appends_beside_them(store: Store) {
    for number in 0..10 {
        write(&store, &format!("account-{number}"), 1).await;
    }
    for number in 0..3 {
        archive(&store, &format!("account-{number}")).await;
    }
    let appends = (0..60).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.append(Append::new(vec![event(&format!("account-{}", number % 10))])).await })
    });
    for (number, outcome) in appends.collect::<Vec<_>>().into_iter().enumerate() {
        match outcome.await.expect("a writer does not panic") {
            Ok(_) => assert!(number % 10 >= 3, "account-{} is archived", number % 10),
            Err(error) => {
                assert!(number % 10 < 3, "account-{} is not archived: {error:?}", number % 10);
                assert_archived(&error, &format!("account-{}", number % 10));
            }
        }
    }
    assert_eq!(log(&store).await.len(), 10 + 42);
}

pub async fn an_archived_stream_is_read_as_before(store: Store) {
    write(&store, A, 3).await;
    write(&store, B, 1).await;
    let before = (stream_of(&store, A).await, log(&store).await);
    archive(&store, A).await;
    assert_eq!((stream_of(&store, A).await, log(&store).await), before);
}

pub async fn a_restored_stream_goes_on_where_it_ended(store: Store) {
    write(&store, A, 2).await;
    archive(&store, A).await;
    assert!(restore(&store, A).await.is_empty());
    assert!(restore(&store, A).await.is_empty(), "restoring what is not archived does nothing");
    assert!(known(&store, A).await.is_empty());
    let appended = append(&store, Append::new(vec![event(A)]).expect(stream(A), exact(2))).await;
    let archived = archive(&store, A).await.archived.expect("it can be archived again");
    assert_eq!(archived.position, appended.position);
}

pub async fn pages_skip_archived_streams_when_told_to(store: Store) {
    for _ in 0..4 {
        write(&store, A, 3).await;
        write(&store, B, 1).await;
        write(&store, "order-1", 1).await;
        let closed = NewEvent { event_type: event_type("account.closed.v1"), ..event(A) };
        append(&store, Append::new(vec![closed])).await;
    }
    archive(&store, A).await;
    let accounts = Filter::Categories(vec![Category::new("account").expect("it is a category")]);
    let deposits = Filter::EventTypes(vec![event_type("account.deposited.v1"), event_type("account.closed.v1")]);
    let all = log(&store).await;
    for (filter, skipped) in [(Filter::All, 16), (accounts, 16), (deposits, 16)] {
        let wanted: Vec<_> = all.iter().filter(|event| filter.matches(event)).cloned().collect();
        let open: Vec<_> = wanted.iter().filter(|event| event.stream.as_str() != A).cloned().collect();
        assert_eq!(wanted.len() - open.len(), skipped);
        for limit in [1, 2, 3, 7, 1_000, 10_000] {
            assert_eq!(
                log_without_archived(&store, filter.clone(), limit).await,
                open,
                "{filter:?}, {limit} at a time"
            );
        }
        let read = ReadAll::after(GlobalPosition::START).filter(filter.clone()).limit(1_000);
        assert_eq!(store.read_all(read).await.expect("the log can be read").events, wanted, "unless told they do not");
    }
    restore(&store, A).await;
    assert_eq!(log_without_archived(&store, Filter::All, 5).await, all);
}

pub async fn reading_until_a_position_skips_archived_streams_too(store: Store) {
    write(&store, B, 2).await;
    write(&store, A, 3).await;
    write(&store, B, 2).await;
    archive(&store, A).await;
    let log = log(&store).await;
    let read = ReadAll::after(log[0].position).until(log[5].position).filter(Filter::All.skip_archived());
    let page = store.read_all(read).await.expect("the log can be read");
    assert_eq!(page.events, [log[1].clone(), log[5].clone()]);
    assert_eq!((page.scanned_to, page.more), (log[5].position, false));
}

pub async fn a_subscription_skips_archived_streams_when_told_to(store: Store) {
    write(&store, A, 3).await;
    let (mut expected, _) = write(&store, B, 2).await;
    archive(&store, A).await;
    let filter = Filter::All.skip_archived();
    let mut subscription = store.subscribe(GlobalPosition::START, filter).await.expect("the log can be followed");
    let mut seen = Vec::new();
    for _ in 0..3 {
        while seen.len() < expected.len() {
            seen.extend(subscription.next().await.expect("the log can be followed").events);
        }
        expected.extend(write(&store, B, 2).await.0);
    }
    restore(&store, A).await;
    expected.extend(write(&store, A, 1).await.0);
    while seen.len() < expected.len() {
        seen.extend(subscription.next().await.expect("the log can be followed").events);
    }
    assert_eq!(ids(&seen), new_ids(&expected), "of a restored stream, what comes from now on");
}

pub async fn streams_of_which_something_is_known_are_listed_page_by_page(store: Store) {
    // In byte order, whatever the database's language says.
    let names = ["account-B", "account-a", "account-a2", "account-b", "account-é"];
    for name in names {
        write(&store, name, 1).await;
    }
    write(&store, "account-open", 1).await;
    let mut expected = Vec::new();
    for name in names {
        expected.push((stream(name), archive(&store, name).await));
    }
    for limit in [0, 1, 2, 5, 6, usize::MAX] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = facts_of(&store).list_facts(after.as_ref(), limit).await.expect("facts can be read");
            assert!(page.streams.len() <= limit.max(1));
            listed.extend(page.streams);
            after = listed.last().map(|(stream, _)| stream).cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(listed, expected, "{limit} at a time");
    }
    for name in names {
        restore(&store, name).await;
    }
    assert_eq!(facts_of(&store).list_facts(None, 10).await.expect("facts can be read").streams, []);
}

pub async fn each_of_many_parallel_appends_lies_before_the_archive_or_is_refused(store: Store) {
    write(&store, A, 1).await;
    let appenders: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut written: Vec<(EventId, GlobalPosition)> = Vec::new();
                loop {
                    let events = if number % 4 == 0 { vec![event(B), event(A)] } else { vec![event(A)] };
                    let id = events[events.len() - 1].id;
                    match store.append(Append::new(events)).await {
                        Ok(appended) => written.push((id, appended.position)),
                        Err(error) => return (written, error),
                    }
                }
            })
        })
        .collect();
    while store.head().await.expect("the head can be read").position.get() < 40 {
        tokio::task::yield_now().await;
    }
    let archived = archive(&store, A).await.archived.expect("it is archived");
    let mut acknowledged = HashSet::new();
    for appender in appenders {
        let (written, error) = appender.await.expect("an appender does not panic");
        assert_archived(&error, A);
        assert!(written.iter().all(|(_, position)| *position <= archived.position), "before the archive");
        acknowledged.extend(written.into_iter().map(|(id, _)| id));
    }
    let in_stream = stream_of(&store, A).await;
    assert_eq!(in_stream.len(), 1 + acknowledged.len(), "what was refused is not there");
    assert!(in_stream.iter().skip(1).all(|event| acknowledged.contains(&event.id)));
    log(&store).await;
}
