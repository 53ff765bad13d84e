//! Following the log: first what is there, then what comes.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::event_store::{EventStore, Filter, LogPage, ReadAll, StoreError};
use crate::read_ahead::ReadAhead;
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

/// Says how far the log has grown, to every [`Wake`] made from it. Clones give the same hints.
#[derive(Debug, Clone)]
pub struct Hint(watch::Sender<GlobalPosition>);

impl Hint {
    /// Nothing is known of yet.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(GlobalPosition::START))
    }

    /// The log has an event at this position. Hints never go back.
    pub fn advance(&self, position: GlobalPosition) {
        self.0.send_if_modified(|newest| {
            let further = position > *newest;
            *newest = position.max(*newest);
            further
        });
    }

    /// What a subscription waits for.
    #[must_use]
    pub fn wake(&self) -> Wake {
        Wake(self.0.subscribe())
    }
}

impl Default for Hint {
    fn default() -> Self {
        Self::new()
    }
}

/// A task that hears of what other processes append and gives hints: starts with the first subscription, ends when dropped.
#[derive(Debug, Default)]
pub struct Listener(OnceLock<JoinHandle<()>>);

impl Listener {
    /// Starts the task unless it runs.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start<F>(&self, task: impl FnOnce() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.get_or_init(|| tokio::spawn(task()));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

/// Wakes a subscription when the log may have grown. Only a hint: a subscription polls as well.
#[derive(Debug, Clone)]
pub struct Wake(watch::Receiver<GlobalPosition>);

impl Wake {
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

/// A [`Subscription`] over any store: reads pages ahead, and when there are none waits for a hint or the time to poll.
#[derive(Debug)]
pub struct CatchUpSubscription {
    pages: ReadAhead,
    wake: Wake,
    poll: Duration,
}

impl CatchUpSubscription {
    /// Follows `store` after `after`. `poll` bounds how late an event can be seen when its hint is lost.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, after: GlobalPosition, filter: Filter, wake: Wake, poll: Duration) -> Self {
        Self { pages: ReadAhead::new(store, ReadAll::after(after).filter(filter)), wake, poll }
    }
}

#[async_trait]
impl Subscription for CatchUpSubscription {
    async fn next(&mut self) -> Result<LogPage, StoreError> {
        loop {
            let before = self.position();
            let page = self.pages.next().await?;
            if page.scanned_to > before {
                return Ok(page);
            }
            self.wake.beyond(before, self.poll).await;
        }
    }

    fn position(&self) -> GlobalPosition {
        self.pages.position()
    }
}
