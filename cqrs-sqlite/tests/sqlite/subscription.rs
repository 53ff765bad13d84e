//! What wakes readers of other processes.

use std::time::Duration;

use cqrs_core::{Append, EventStore, Filter, GlobalPosition};

use super::file::{File, event};

#[tokio::test(flavor = "multi_thread")]
async fn an_append_through_another_store_is_seen() {
    let file = File::new();
    let (writer, reader) = (file.store().await, file.options().poll(Duration::from_millis(5)).open().await.unwrap());
    let mut subscription = reader.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    for expected in 1..=20 {
        let next = tokio::spawn(async move {
            let page = subscription.next().await.unwrap();
            (subscription, page)
        });
        tokio::task::yield_now().await;
        writer.append(Append::new(vec![event("account-1")])).await.unwrap();
        let (again, page) = next.await.unwrap();
        assert_eq!(page.events.last().unwrap().position.get(), expected);
        subscription = again;
    }
}
