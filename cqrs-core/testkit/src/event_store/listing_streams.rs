//! Listing the streams of a category.

use cqrs_core::{Append, Category, ListStreams, StreamList};

use super::{Store, append, event, stream, write};

fn streams_of(category: &str) -> ListStreams {
    ListStreams::new(Category::new(category).expect("the suite names its categories well"))
}

async fn list(store: &Store, list: ListStreams) -> StreamList {
    store.list_streams(list).await.expect("streams can be listed")
}

fn names(list: &StreamList) -> Vec<&str> {
    list.streams.iter().map(|head| head.stream.as_str()).collect()
}

async fn given(store: &Store, names: &[&str]) {
    append(store, Append::new(names.iter().map(|name| event(name)).collect())).await;
}

pub async fn a_category_without_events_has_no_streams(store: Store) {
    assert_eq!(list(&store, streams_of("account")).await, StreamList::default());
    given(&store, &["order-1"]).await;
    assert_eq!(list(&store, streams_of("account")).await, StreamList::default());
}

pub async fn streams_are_listed_with_their_newest_versions(store: Store) {
    for (name, count) in [("account-b", 3), ("account-a", 1), ("account-c", 12), ("account-b", 2)] {
        write(&store, name, count).await;
    }
    let found = list(&store, streams_of("account")).await;
    let found: Vec<_> = found.streams.iter().map(|head| (head.stream.as_str(), head.version.get())).collect();
    assert_eq!(found, [("account-a", 1), ("account-b", 5), ("account-c", 12)]);
}

pub async fn streams_are_listed_in_the_byte_order_of_their_names(store: Store) {
    let mut expected = [
        "account-a",
        "account-B",
        "account-é",
        "account-10",
        "account-9",
        "account- ",
        "account-a-b",
        "account-\u{1f600}",
    ];
    given(&store, &expected).await;
    expected.sort_unstable();
    assert_eq!(names(&list(&store, streams_of("account")).await), expected);
}

pub async fn categories_that_look_alike_are_not_listed_together(store: Store) {
    given(&store, &["account-1", "account.x-1", "accounts-1", "Account-1", "account_-1", "accoun-1", "a-account-1"])
        .await;
    assert_eq!(names(&list(&store, streams_of("account")).await), ["account-1"]);
    assert_eq!(names(&list(&store, streams_of("accounts")).await), ["accounts-1"]);
    assert_eq!(names(&list(&store, streams_of("a")).await), ["a-account-1"]);
}

pub async fn paging_through_the_streams_gives_each_once(store: Store) {
    let expected: Vec<String> = (0..25).map(|number| format!("account-{number:02}")).collect();
    for _ in 0..2 {
        given(&store, &expected.iter().rev().map(String::as_str).collect::<Vec<_>>()).await;
    }
    given(&store, &["accounts-1", "zebra-1"]).await;
    for limit in [1, 4, 5, 100, usize::MAX] {
        let mut found = Vec::new();
        let mut window = streams_of("account").limit(limit);
        loop {
            let page = list(&store, window.clone()).await;
            assert!(page.streams.len() <= limit);
            found.extend(names(&page).into_iter().map(str::to_owned));
            match page.streams.last() {
                Some(last) if page.more => window.after = Some(last.stream.clone()),
                _ => break,
            }
        }
        assert_eq!(found, expected, "{limit} at a time");
    }
}

pub async fn a_page_of_streams_that_leaves_some_out_says_that_there_is_more(store: Store) {
    given(&store, &["account-a", "account-b", "account-c"]).await;
    let page = list(&store, streams_of("account").limit(2)).await;
    assert_eq!((names(&page), page.more), (vec!["account-a", "account-b"], true));
    let page = list(&store, streams_of("account").after(stream("account-b")).limit(2)).await;
    assert_eq!((names(&page), page.more), (vec!["account-c"], false));
    assert_eq!(names(&list(&store, streams_of("account").limit(0)).await).len(), 1, "0 is taken as 1");
}

pub async fn listing_goes_on_after_a_name_that_is_no_stream(store: Store) {
    given(&store, &["account-a", "account-c"]).await;
    assert_eq!(names(&list(&store, streams_of("account").after(stream("account-b"))).await), ["account-c"]);
    assert_eq!(names(&list(&store, streams_of("account").after(stream("a-z"))).await).len(), 2, "before all of them");
    assert_eq!(names(&list(&store, streams_of("account").after(stream("z-a"))).await).len(), 0, "behind all of them");
}
