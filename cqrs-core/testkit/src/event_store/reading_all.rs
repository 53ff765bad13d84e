//! Windows of the whole log.

use std::sync::Arc;

use cqrs_core::{
    Append, Category, Filter, GlobalPosition, LogPage, NewEvent, Payload, ReadAhead, ReadAll, RecordedEvent,
};
use futures::FutureExt;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{Store, append, event, event_type, for_all, log, write};

async fn read(store: &Store, read: ReadAll) -> LogPage {
    store.read_all(read).await.expect("the log can be read")
}

fn all() -> ReadAll {
    ReadAll::after(GlobalPosition::START)
}

fn categories(names: &[&str]) -> Filter {
    Filter::Categories(names.iter().map(|name| Category::new(name).expect("it is a category")).collect())
}

fn types(names: &[&str]) -> Filter {
    Filter::EventTypes(names.iter().map(|name| event_type(name)).collect())
}

/// Accounts and orders by turns, with two types of events: twelve events.
async fn given(store: &Store) -> Vec<RecordedEvent> {
    for number in 0..6 {
        let opened = event_type(if number % 3 == 0 { "account.opened.v1" } else { "account.opened.v2" });
        let account = cqrs_core::NewEvent { event_type: opened, ..event("account-a") };
        append(store, cqrs_core::Append::new(vec![account])).await;
        write(store, "order-1", 1).await;
    }
    log(store).await
}

/// Reads page by page to the end. The rules of a page are checked on the way.
async fn paged(store: &Store, window: ReadAll) -> Vec<RecordedEvent> {
    let (mut seen, mut window) = (Vec::new(), window);
    loop {
        let page = read(store, window.clone()).await;
        assert!(page.events.len() <= window.limit);
        assert!(page.scanned_to >= window.after, "the frontier never goes back");
        assert!(page.events.iter().all(|event| event.position > window.after && event.position <= page.scanned_to));
        seen.extend(page.events);
        if !page.more {
            return seen;
        }
        assert!(page.scanned_to > window.after, "a page that says there is more moves on");
        window.after = page.scanned_to;
    }
}

pub async fn an_empty_log_has_an_empty_page(store: Store) {
    assert_eq!(read(&store, all()).await, LogPage { events: vec![], scanned_to: GlobalPosition::START, more: false });
}

pub async fn the_log_holds_all_streams_in_position_order(store: Store) {
    let log = given(&store).await;
    assert_eq!(log.len(), 12);
    let page = read(&store, all()).await;
    assert_eq!((page.scanned_to, page.more), (log[11].position, false));
    assert_eq!(page.events, log);
}

pub async fn reading_after_a_position_leaves_that_position_out(store: Store) {
    let log = given(&store).await;
    for index in 0..12 {
        assert_eq!(read(&store, ReadAll::after(log[index].position)).await.events, log[index + 1..]);
    }
}

pub async fn reading_until_a_position_includes_it(store: Store) {
    let log = given(&store).await;
    for index in 0..12 {
        let page = read(&store, all().until(log[index].position)).await;
        assert_eq!(page.events, log[..=index]);
        assert_eq!((page.scanned_to, page.more), (log[index].position, false));
    }
    let window = ReadAll::after(log[3].position).until(log[7].position);
    assert_eq!(read(&store, window).await.events, log[4..=7]);
    let window = ReadAll::after(log[7].position).until(log[3].position);
    assert_eq!(read(&store, window).await.events, []);
}

pub async fn reading_beyond_the_head_promises_nothing_about_events_to_come(store: Store) {
    let head = given(&store).await[11].position;
    assert_eq!(read(&store, all().filter(categories(&["invoice"]))).await.scanned_to, head);
    let page = read(&store, ReadAll::after(head)).await;
    assert_eq!(page, LogPage { events: vec![], scanned_to: head, more: false });
    write(&store, "account-a", 1).await;
    assert_eq!(read(&store, ReadAll::after(page.scanned_to)).await.events.len(), 1);
}

pub async fn the_log_is_filtered_by_category(store: Store) {
    let log = given(&store).await;
    let of =
        |category: &str| log.iter().filter(|event| event.stream.category() == category).cloned().collect::<Vec<_>>();
    assert_eq!(read(&store, all().filter(categories(&["account"]))).await.events, of("account"));
    assert_eq!(read(&store, all().filter(categories(&["order"]))).await.events, of("order"));
    assert_eq!(read(&store, all().filter(categories(&["order", "account", "invoice"]))).await.events, log);
    assert_eq!(read(&store, all().filter(categories(&["invoice"]))).await.events, []);
    assert_eq!(read(&store, all().filter(categories(&[]))).await.events, [], "no category wants no event");
}

pub async fn categories_that_look_alike_are_not_mixed_up(store: Store) {
    let names = ["account", "account2", "accoun", "Account", "ACCOUNT", "acc_unt", "accXunt", "acc.unt", "account_"];
    for name in names {
        write(&store, &format!("{name}-1"), 1).await;
        // A category ends at the first dash.
        write(&store, &format!("{name}-account-1"), 1).await;
    }
    for name in names {
        let found: Vec<_> = read(&store, all().filter(categories(&[name])))
            .await
            .events
            .iter()
            .map(|event| event.stream.to_string())
            .collect();
        assert_eq!(found, [format!("{name}-1"), format!("{name}-account-1")]);
    }
}

pub async fn the_log_is_filtered_by_event_type(store: Store) {
    let log = given(&store).await;
    let of = |name: &str| log.iter().filter(|event| event.event_type.as_str() == name).cloned().collect::<Vec<_>>();
    assert_eq!(of("account.opened.v1").len(), 2);
    assert_eq!(read(&store, all().filter(types(&["account.opened.v1"]))).await.events, of("account.opened.v1"));
    assert_eq!(read(&store, all().filter(types(&["account.opened.v2"]))).await.events, of("account.opened.v2"));
    let all_types = types(&["account.opened.v1", "account.opened.v2", "account.deposited.v1", "order.placed.v1"]);
    assert_eq!(read(&store, all().filter(all_types)).await.events, log);
    assert_eq!(read(&store, all().filter(types(&["account.opened.v11"]))).await.events, []);
    assert_eq!(read(&store, all().filter(types(&[]))).await.events, [], "no type wants no event");
}

pub async fn a_page_without_matching_events_moves_the_frontier(store: Store) {
    let log = given(&store).await;
    for filter in [categories(&["invoice"]), types(&["invoice.sent.v1"])] {
        let mut window = all().filter(filter).until(log[8].position).limit(2);
        loop {
            let page = read(&store, window.clone()).await;
            assert_eq!(page.events, []);
            if !page.more {
                assert_eq!(page.scanned_to, log[8].position, "everything up to the bound is known");
                break;
            }
            assert!(page.scanned_to > window.after);
            window.after = page.scanned_to;
        }
    }
}

/// Some sixty events of three categories and four types, in appends of one to seven.
pub(crate) async fn given_many(store: &Store) -> Vec<RecordedEvent> {
    for append_of in [1, 7, 2, 5, 1, 1, 6, 3, 4, 7, 2, 1, 5, 7, 6, 3] {
        let events = (0..append_of).map(|number| {
            let to = ["account-a", "order-1", "account-b", "invoice-7", "order-2"][(append_of + number) % 5];
            let name = ["x.opened.v1", "x.opened.v2", "x.closed.v1", "y.opened.v1"][append_of * number % 4];
            cqrs_core::NewEvent { event_type: event_type(name), ..event(to) }
        });
        append(store, cqrs_core::Append::new(events.collect())).await;
    }
    log(store).await
}

/// Filters of all kinds on what [`given_many`] writes, and on what it does not.
pub(crate) fn any_filter() -> impl Strategy<Value = Filter> {
    let some = |names: &[&'static str]| subsequence(names.to_vec(), 0..=names.len());
    prop_oneof![
        Just(Filter::All),
        some(&["account", "order", "invoice", "accoun"]).prop_map(|names| categories(&names)),
        some(&["x.opened.v1", "x.opened.v2", "x.closed.v1", "y.opened.v1", "y.opened.v2"])
            .prop_map(|names| types(&names)),
    ]
}

/// The start, the position of any event, and the largest position.
pub(crate) fn any_position(log: &[RecordedEvent]) -> impl Strategy<Value = GlobalPosition> + use<> {
    let ends = [GlobalPosition::START, GlobalPosition::MAX];
    select(log.iter().map(|event| event.position).chain(ends).collect::<Vec<_>>())
}

pub async fn pages_of_any_size_are_together_what_the_filter_picks_from_the_window(store: Store) {
    let log = given_many(&store).await;
    // A store may read very large pages in another way.
    let limit = prop_oneof![9 => 1..=log.len() + 1, 1 => Just(100_000)];
    let windows = (any_position(&log), any_position(&log), any_filter(), limit);
    for_all(100, &windows, async |(after, until, filter, limit)| {
        let within = |event: &&RecordedEvent| event.position > after && event.position <= until;
        let wanted: Vec<_> = log.iter().filter(within).filter(|event| filter.matches(event)).cloned().collect();
        let window = ReadAll::after(after).until(until).filter(filter.clone()).limit(limit);
        assert_eq!(paged(&store, window).await, wanted);
    });
}

pub async fn a_large_page_is_read_like_small_ones(store: Store) {
    const LARGE: usize = 100_000;
    assert_eq!(read(&store, all().limit(LARGE)).await, LogPage::default());
    let log = given(&store).await;
    let filters = [
        Filter::All,
        categories(&["order", "invoice"]),
        categories(&["invoice"]),
        categories(&[]),
        types(&["account.opened.v1", "x.y.v1"]),
        types(&["x.y.v1"]),
        types(&[]),
    ];
    let bounds = [GlobalPosition::START, log[2].position, log[9].position, GlobalPosition::MAX];
    for (filter, after, until) in filters
        .iter()
        .flat_map(|filter| bounds.iter().flat_map(move |after| bounds.map(|until| (filter, after, until))))
    {
        let window = ReadAll::after(*after).until(until).filter(filter.clone());
        let (large, small) = (read(&store, window.clone().limit(LARGE)).await, read(&store, window.clone()).await);
        assert_eq!(large, small, "{window:?}");
    }
}

pub async fn reading_ahead_gives_every_event_once(store: Store) {
    let log = given(&store).await;
    for limit in [1, 5, 12, 100] {
        let mut pages = ReadAhead::new(Arc::clone(&store), all().until(log[10].position).limit(limit));
        let mut seen = Vec::new();
        loop {
            // A call that is given up loses nothing.
            let page = match pages.next().now_or_never() {
                Some(page) => page,
                None => pages.next().await,
            };
            let page = page.expect("the log can be read");
            assert_eq!(pages.position(), page.scanned_to);
            seen.extend(page.events);
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, log[..=10], "{limit} at a time");
    }
}

pub async fn reading_ahead_gives_what_is_appended_meanwhile_once_and_in_order(store: Store) {
    let mut expected = given(&store).await;
    let mut readers: Vec<_> = [Filter::All, categories(&["account"]), categories(&["order", "account"])]
        .into_iter()
        .flat_map(|filter| [1, 3, 5, 7].map(|limit| (filter.clone(), limit)))
        .map(|(filter, limit)| {
            let read = all().filter(filter.clone()).limit(limit);
            (filter, limit, ReadAhead::new(Arc::clone(&store), read), Vec::new())
        })
        .collect();
    // Several pages are on their way, some of them behind the end of the log, when it grows.
    for _ in 0..8 {
        for (_, _, pages, seen) in &mut readers {
            seen.extend(pages.next().await.expect("the log can be read").events);
        }
        write(&store, "account-a", 2).await;
        write(&store, "order-1", 1).await;
    }
    expected.extend(log(&store).await.split_off(expected.len()));
    for (filter, limit, mut pages, mut seen) in readers {
        while pages.position() < expected[expected.len() - 1].position {
            seen.extend(pages.next().await.expect("the log can be read").events);
        }
        let expected: Vec<_> = expected.iter().filter(|event| filter.matches(event)).cloned().collect();
        assert_eq!(seen, expected, "{filter:?}, {limit} at a time");
    }
}

pub async fn a_page_of_the_log_that_leaves_events_out_says_that_there_is_more(store: Store) {
    let log = given(&store).await;
    for limit in 1..12 {
        let page = read(&store, all().limit(limit)).await;
        assert_eq!((page.events.len(), page.more), (limit, true));
        assert_eq!(page.scanned_to, log[limit - 1].position, "what was left out has not been scanned");
    }
    assert!(!read(&store, all().limit(13)).await.more);
}

pub async fn a_page_of_large_events_is_cut_by_its_bytes(store: Store) {
    for size in [100, 100, 5_000, 100, 2_000, 2_000, 100, 100, 7_000] {
        let payload = Payload::encode(&"x".repeat(size)).expect("a text is JSON");
        append(&store, Append::new(vec![NewEvent { payload, ..event("account-a") }])).await;
        write(&store, "order-1", 1).await;
    }
    let log = log(&store).await;
    for (filter, bytes, limit) in [Filter::All, categories(&["account"]), types(&["account.opened.v1"])]
        .into_iter()
        .flat_map(|filter| [0, 700, 4_500, 1 << 20].map(|bytes| (filter.clone(), bytes)))
        .flat_map(|(filter, bytes)| [3, 100_000].map(|limit| (filter.clone(), bytes, limit)))
    {
        let window = all().filter(filter.clone()).bytes(bytes).limit(limit);
        let mut pages = ReadAhead::new(Arc::clone(&store), window.clone());
        let mut seen = Vec::new();
        loop {
            let page = pages.next().await.expect("the log can be read");
            let size: usize = page.events.iter().map(RecordedEvent::bytes).sum();
            assert!(size <= bytes || page.events.len() == 1, "{size} bytes, {window:?}");
            seen.extend(page.events);
            if !page.more {
                break;
            }
        }
        let expected: Vec<_> = log.iter().filter(|event| filter.matches(event)).cloned().collect();
        assert_eq!(seen, expected, "{window:?}");
        assert_eq!(paged(&store, window).await, expected);
    }
}

pub async fn what_a_filter_names_twice_is_given_once(store: Store) {
    write(&store, "account-a", 3).await;
    let name = event("account-a").event_type;
    let category = cqrs_core::Category::new("account").expect("the suite names its categories well");
    for filter in [Filter::EventTypes(vec![name.clone(), name]), Filter::Categories(vec![category.clone(), category])] {
        let read = ReadAll::after(GlobalPosition::START).filter(filter);
        assert_eq!(store.read_all(read).await.expect("the log can be read").events.len(), 3);
    }
}
