//! A reader that follows the log from its beginning to the event that ends it.

use std::path::Path;

use cqrs_core::{EventStore, Filter, GlobalPosition, LogPage, ReadAll, StoreError, Subscription};

use super::Place;
use crate::journal::ObservationWriter;

pub(super) async fn read(place: Place, observation: &Path, pages: bool) {
    let store = place.options().connect().await.unwrap();
    let mut observation = ObservationWriter::create(observation).unwrap();
    let mut subscription: Box<dyn Subscription> = if pages {
        Box::new(Pages { store: Box::new(store), after: GlobalPosition::START })
    } else {
        store.subscribe(GlobalPosition::START, Filter::All).await.unwrap()
    };
    loop {
        match subscription.next().await {
            Ok(page) => {
                observation.seen(&page.events, page.scanned_to).unwrap();
                if page.events.iter().any(|event| event.stream.category() == "end") {
                    return;
                }
            }
            // The server may be away; a reader goes on where it was.
            Err(StoreError::Transient(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A reader without any help: small pages, one after the other, as fast as it can.
#[derive(Debug)]
struct Pages {
    store: Box<dyn EventStore>,
    after: GlobalPosition,
}

#[async_trait::async_trait]
impl Subscription for Pages {
    async fn next(&mut self) -> Result<LogPage, StoreError> {
        let page = self.store.read_all(ReadAll::after(self.after).limit(37)).await?;
        self.after = page.scanned_to;
        Ok(page)
    }

    fn position(&self) -> GlobalPosition {
        self.after
    }
}
