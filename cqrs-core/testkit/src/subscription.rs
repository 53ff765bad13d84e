//! The contract of [`Subscription`], over the store that gives it.

use cqrs_core::{Append, Category, EventId, Filter, GlobalPosition, RecordedEvent, Subscription};
use futures::FutureExt;

use crate::event_store::reading_all::{any_filter, any_position, given_many};
use crate::event_store::{Store, append, event, event_type, events, for_all, ids, log, new_ids, write};

async fn follow(store: &Store, after: GlobalPosition, filter: Filter) -> Box<dyn Subscription> {
    store.subscribe(after, filter).await.expect("the log can be followed")
}

async fn from_start(store: &Store) -> Box<dyn Subscription> {
    follow(store, GlobalPosition::START, Filter::All).await
}

fn orders() -> Filter {
    Filter::Categories(vec![Category::new("order").expect("it is a category")])
}

/// Reads until so many events have come. The rules of a page are checked on the way.
async fn take(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<RecordedEvent> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let before = subscription.position();
        let page = subscription.next().await.expect("the log can be followed");
        assert!(page.scanned_to > before, "a page moves on");
        assert_eq!(subscription.position(), page.scanned_to, "the position is what was delivered");
        assert!(page.events.iter().all(|event| event.position > before && event.position <= page.scanned_to));
        seen.extend(page.events);
    }
    seen
}

pub async fn it_catches_up_and_then_follows(store: Store) {
    let mut expected = write(&store, "account-a", 5).await.0;
    let mut subscription = from_start(&store).await;
    assert_eq!(ids(&take(&mut subscription, 5).await), new_ids(&expected));
    for _ in 0..3 {
        expected = write(&store, "account-a", 2).await.0;
        assert_eq!(ids(&take(&mut subscription, 2).await), new_ids(&expected));
    }
    assert_eq!(subscription.position(), store.head().await.expect("the head can be read").position);
}

pub async fn it_waits_for_the_first_event_of_an_empty_log(store: Store) {
    let mut subscription = from_start(&store).await;
    assert_eq!(subscription.position(), GlobalPosition::START);
    let waiting = tokio::spawn(async move { take(&mut subscription, 1).await });
    tokio::task::yield_now().await;
    let (events, _) = write(&store, "account-a", 1).await;
    assert_eq!(ids(&waiting.await.expect("the reader does not panic")), new_ids(&events));
}

pub async fn it_delivers_events_as_they_were_recorded(store: Store) {
    write(&store, "account-a", 2).await;
    write(&store, "order-1", 2).await;
    let mut subscription = from_start(&store).await;
    assert_eq!(take(&mut subscription, 4).await, log(&store).await);
}

pub async fn it_starts_in_the_middle(store: Store) {
    write(&store, "account-a", 5).await;
    let log = log(&store).await;
    let mut subscription = follow(&store, log[2].position, Filter::All).await;
    assert_eq!(subscription.position(), log[2].position);
    assert_eq!(take(&mut subscription, 2).await, log[3..]);
}

pub async fn it_starts_at_the_head(store: Store) {
    let (_, appended) = write(&store, "account-a", 5).await;
    let mut subscription = follow(&store, appended.position, Filter::All).await;
    let (events, _) = write(&store, "account-a", 1).await;
    assert_eq!(ids(&take(&mut subscription, 1).await), new_ids(&events));
}

pub async fn it_delivers_what_matches_its_categories(store: Store) {
    let mut subscription = follow(&store, GlobalPosition::START, orders()).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        write(&store, "account-a", 2).await;
        expected.extend(new_ids(&write(&store, "order-1", 1).await.0));
        write(&store, "order2-1", 1).await;
    }
    assert_eq!(ids(&take(&mut subscription, 5).await), expected);
}

pub async fn it_delivers_what_matches_its_event_types(store: Store) {
    let filter = Filter::EventTypes(vec![event_type("account.closed.v1")]);
    let mut subscription = follow(&store, GlobalPosition::START, filter).await;
    let mut closed = event("account-a");
    closed.event_type = event_type("account.closed.v1");
    write(&store, "account-a", 3).await;
    append(&store, Append::new(vec![event("account-a"), closed.clone(), event("account-a")])).await;
    assert_eq!(ids(&take(&mut subscription, 1).await), [closed.id]);
}

/// The log is longer than a page of a subscription.
pub async fn it_delivers_from_anywhere_what_its_filter_picks_from_the_log(store: Store) {
    given_many(&store).await;
    for to in ["account-a", "order-1", "invoice-7"] {
        write(&store, to, 900).await;
    }
    let log = log(&store).await;
    for_all(30, &(any_position(&log), any_filter()), async |(after, filter)| {
        let wanted = log.iter().filter(|event| event.position > after && filter.matches(event));
        let wanted: Vec<_> = wanted.cloned().collect();
        let mut subscription = follow(&store, after, filter.clone()).await;
        assert!(take(&mut subscription, wanted.len()).await == wanted, "after {after}, {filter:?}");
    });
}

pub async fn its_frontier_passes_events_that_do_not_match(store: Store) {
    let mut subscription = follow(&store, GlobalPosition::START, orders()).await;
    for _ in 0..3 {
        let (_, appended) = write(&store, "account-a", 4).await;
        while subscription.position() < appended.position {
            let page = subscription.next().await.expect("the log can be followed");
            assert_eq!(page.events, []);
            assert!(page.scanned_to <= appended.position, "nothing is said about events to come");
        }
    }
    let (events, _) = write(&store, "order-1", 1).await;
    assert_eq!(ids(&take(&mut subscription, 1).await), new_ids(&events));
}

pub async fn each_of_several_subscriptions_sees_everything(store: Store) {
    write(&store, "account-a", 3).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut subscription = from_start(&store).await;
        readers.push(tokio::spawn(async move { ids(&take(&mut subscription, 23).await) }));
    }
    for _ in 0..10 {
        write(&store, "order-1", 2).await;
    }
    let expected = ids(&log(&store).await);
    for reader in readers {
        assert_eq!(reader.await.expect("the reader does not panic"), expected);
    }
}

pub async fn a_subscription_that_is_dropped_does_not_hold_up_the_others(store: Store) {
    let (dropped, mut kept) = (from_start(&store).await, from_start(&store).await);
    write(&store, "account-a", 2).await;
    drop(dropped);
    write(&store, "account-a", 2).await;
    assert_eq!(take(&mut kept, 4).await.len(), 4);
}

/// Polls `next` so many times, with turns of the scheduler in between, and drops it. What came nevertheless is delivered.
async fn poll_and_drop(subscription: &mut Box<dyn Subscription>, polls: usize) -> Vec<RecordedEvent> {
    let mut next = subscription.next();
    for _ in 0..polls {
        if let Some(page) = (&mut next).now_or_never() {
            return page.expect("the log can be followed").events;
        }
        tokio::task::yield_now().await;
    }
    Vec::new()
}

pub async fn a_next_that_is_dropped_loses_nothing(store: Store) {
    let mut subscription = from_start(&store).await;
    let mut seen: Vec<EventId> = Vec::new();
    for round in 0..30 {
        seen.extend(ids(&poll_and_drop(&mut subscription, round % 10).await));
        write(&store, "account-a", 2).await;
        seen.extend(ids(&poll_and_drop(&mut subscription, 1 + round).await));
    }
    let missing = 60 - seen.len();
    seen.extend(ids(&take(&mut subscription, missing).await));
    assert_eq!(seen, ids(&log(&store).await), "each event once, in order");
}

pub async fn hundreds_of_events_come_once_each_while_they_are_written(store: Store) {
    let mut subscription = from_start(&store).await;
    let reading = tokio::spawn(async move { ids(&take(&mut subscription, 600).await) });
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..30 {
                    append(&store, Append::new(events(&format!("account-{writer}"), 5))).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    assert_eq!(reading.await.expect("the reader does not panic"), ids(&log(&store).await));
}

pub async fn more_events_than_fit_into_a_page_come_in_order(store: Store) {
    for _ in 0..3 {
        append(&store, Append::new(events("account-a", 800))).await;
    }
    let mut subscription = from_start(&store).await;
    assert_eq!(ids(&take(&mut subscription, 2_400).await), ids(&log(&store).await));
}
