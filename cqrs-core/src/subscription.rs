//! Following the log: first what is there, then what comes.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::event_store::{EventStore, Filter, LogPage, ReadAll, StoreError};
use crate::stream::GlobalPosition;

/// A cursor that follows the log.
///
/// # Contract
/// - Every event that matches is delivered once, in position order; none is skipped, whatever writers do.
/// - [`next`](Self::next) waits until the log has grown. It returns pages without events too, when the log grew by
///   events that do not match: `scanned_to` says how far the log was seen.
/// - **Cancellation**: a `next` whose future is dropped loses nothing; the following one delivers the same events.
/// - An error changes nothing: `next` may be called again.
#[async_trait]
pub trait Subscription: Send + Debug {
    /// The next page, as soon as there is one. `more` tells whether it is known that the log goes on.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn next(&mut self) -> Result<LogPage, StoreError>;

    /// Everything up to here has been delivered.
    fn position(&self) -> GlobalPosition;
}

/// Wakes a subscription when the log may have grown. Only a hint: a subscription polls as well.
#[derive(Debug, Clone)]
pub struct Wake(watch::Receiver<GlobalPosition>);

impl Wake {
    /// A hint that is given by sending the newest position.
    #[must_use]
    pub const fn new(hint: watch::Receiver<GlobalPosition>) -> Self {
        Self(hint)
    }

    /// Waits until a position after `position` was hinted at; at most `at_most`.
    async fn beyond(&mut self, position: GlobalPosition, at_most: Duration) {
        let hinted = async {
            if self.0.wait_for(|newest| *newest > position).await.is_err() {
                // Nobody can send hints any more; polling goes on.
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(at_most, hinted).await;
    }
}

/// A [`Subscription`] over any store: reads pages, and when there are none waits for a hint or the time to poll.
#[derive(Debug)]
pub struct CatchUpSubscription {
    store: Arc<dyn EventStore>,
    filter: Filter,
    position: GlobalPosition,
    wake: Wake,
    poll: Duration,
    page: usize,
}

impl CatchUpSubscription {
    /// Follows `store` after `after`. `poll` bounds how late an event can be seen when its hint is lost.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, after: GlobalPosition, filter: Filter, wake: Wake, poll: Duration) -> Self {
        Self { store, filter, position: after, wake, poll, page: 1_000 }
    }
}

#[async_trait]
impl Subscription for CatchUpSubscription {
    async fn next(&mut self) -> Result<LogPage, StoreError> {
        loop {
            let read = ReadAll::after(self.position).filter(self.filter.clone()).limit(self.page);
            let page = self.store.read_all(read).await?;
            if page.scanned_to > self.position {
                self.position = page.scanned_to;
                return Ok(page);
            }
            self.wake.beyond(self.position, self.poll).await;
        }
    }

    fn position(&self) -> GlobalPosition {
        self.position
    }
}
