//! What publishes the messages of the outbox.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Backoff, Failure, Message, PublishError, Publisher, StoreError};
use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::lanes::Lanes;
use super::settlement::{Lane, Patience, publishable, settle};
use crate::event_store::PgEventStore;

/// Publishes the messages of an outbox once it is [started](Self::start).
///
/// It claims keys, not messages: nobody else publishes messages of a key that it owns. What it owns is free for others when
/// its lease is over, whatever became of it.
#[derive(Debug)]
#[must_use = "a relay publishes once it is started"]
pub struct OutboxRelay {
    store: PgEventStore,
    publisher: Arc<dyn Publisher>,
    batch: u32,
    lease: Duration,
    patience: Patience,
    retention: Duration,
    sweep: Duration,
}

impl OutboxRelay {
    pub(super) fn new(store: PgEventStore, publisher: Arc<dyn Publisher>) -> Self {
        Self {
            store,
            publisher,
            batch: 500,
            lease: Duration::from_secs(30),
            patience: Patience { attempts: 20, backoff: Backoff::default() },
            retention: Duration::from_secs(24 * 60 * 60),
            sweep: Duration::from_secs(60),
        }
    }

    /// How many messages are given to the publisher at once, at least 1; 500 unless told.
    pub fn batch(mut self, messages: u32) -> Self {
        self.batch = messages.max(1);
        self
    }

    /// How long a relay owns what it has claimed; 30 s unless told. A call to the publisher may take half of it, then it is
    /// given up. After a crash, messages wait that long.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(10));
        self
    }

    /// How often a message is tried before it is parked, at least once; 20 times unless told. It is not parked while
    /// nothing else gets through either: when the broker is away, everything waits for it.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.patience.attempts = attempts.max(1);
        self
    }

    /// How long a message that failed waits for its next attempt, and its key with it; from 100 ms to 30 s unless told.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.patience.backoff = backoff;
        self
    }

    /// How long messages that were published or discarded are kept; a day unless told. As long they are known by their
    /// ids, so that enqueueing one again writes nothing.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// How often settled messages are looked for that are no longer to be kept; every minute unless told.
    pub fn sweep(mut self, every: Duration) -> Self {
        self.sweep = every.max(Duration::from_millis(1));
        self
    }

    /// Starts it. It goes on until it is stopped or dropped, through whatever becomes of database and broker.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start(self) -> RunningRelay {
        let (stop, stopped) = watch::channel(false);
        let (error, last_error) = watch::channel(None);
        self.store.listen();
        let (poll, wake) = (self.store.poll(), self.store.outbox_wake());
        let lanes = Lanes { store: self.store.clone(), owner: Uuid::new_v4() };
        let running = Running { relay: self, lanes, poll, wake, stopped, error, took: None, swept: None };
        RunningRelay { stop, last_error, task: tokio::spawn(running.run()) }
    }
}

/// A relay that runs until it is stopped, or this is dropped.
#[derive(Debug)]
pub struct RunningRelay {
    stop: watch::Sender<bool>,
    last_error: watch::Receiver<Option<StoreError>>,
    task: JoinHandle<()>,
}

impl RunningRelay {
    /// Why the database was not reached the last time it was asked; `None` when it was. What the broker says stands in
    /// the messages.
    #[must_use]
    pub fn error(&self) -> Option<StoreError> {
        self.last_error.borrow().clone()
    }

    /// Stops it. What it is publishing is finished and marked; everything that it owned is free for others.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for RunningRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Debug)]
struct Running {
    relay: OutboxRelay,
    lanes: Lanes,
    poll: Duration,
    wake: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
    error: watch::Sender<Option<StoreError>>,
    /// When the publisher last took a message.
    took: Option<Instant>,
    swept: Option<Instant>,
}

impl Running {
    async fn run(mut self) {
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(5));
        let mut failures = 0;
        while !*self.stopped.borrow() {
            let pause = match self.round().await {
                Ok(pause) => {
                    failures = 0;
                    self.error.send_replace(None);
                    pause
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "the outbox is not relayed");
                    self.error.send_replace(Some(error));
                    backoff.after(failures)
                }
            };
            if !pause.is_zero() {
                tokio::select! {
                    biased;
                    _ = self.stopped.wait_for(|stopped| *stopped) => {}
                    Ok(()) = self.wake.changed(), if failures == 0 => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// One batch; how long to wait for the next one.
    async fn round(&mut self) -> Result<Duration, StoreError> {
        let sweep = self.relay.sweep;
        if self.swept.is_none_or(|swept| swept.elapsed() >= sweep) {
            let more = self.lanes.sweep(self.relay.retention).await?;
            self.swept = if more { None } else { Some(Instant::now()) };
        }
        // Whatever is enqueued from now on wakes.
        self.wake.mark_unchanged();
        let claimed = Instant::now();
        let lanes = self.lanes.claim(self.relay.batch, self.relay.lease).await?;
        if !lanes.is_empty() {
            self.publish(&lanes, claimed).await?;
            return Ok(Duration::ZERO);
        }
        let next = self.lanes.wait().await?;
        if next.look_again {
            return Ok(Duration::ZERO);
        }
        // A lane that is due and was not claimed is in somebody else's hands.
        let due = next.after.unwrap_or(self.poll).max(Duration::from_millis(5));
        Ok(due.min(self.poll).min(sweep))
    }

    async fn publish(&mut self, lanes: &[Lane], claimed: Instant) -> Result<(), StoreError> {
        let messages: Vec<Message> = publishable(lanes).map(|open| open.message.clone()).collect();
        let outcomes = if messages.is_empty() { Vec::new() } else { self.call(&messages, claimed).await };
        let quiet_for = self.took.map(|took| took.elapsed());
        if outcomes.iter().any(Result::is_ok) {
            self.took = Some(Instant::now());
        }
        let settlement = settle(lanes, outcomes, self.relay.patience, quiet_for);
        for failed in &settlement.failed {
            let (sequence, reason, parked) = (failed.sequence, &failed.reason, failed.is_parked);
            tracing::warn!(sequence, reason, parked, "a message was not published");
        }
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        for attempt in 1.. {
            match self.lanes.settle(&settlement, self.poll).await {
                // What was published is published again when the lease is over: while it is not, marking is tried again.
                Err(error) if error.is_transient() && claimed.elapsed() < self.relay.lease => {
                    tracing::warn!(%error, attempt, "published messages were not marked");
                    tokio::time::sleep(backoff.after(attempt)).await;
                }
                settled => return settled,
            }
        }
        Ok(())
    }

    /// Half of the lease at most: the other half is for marking what was published.
    async fn call(&self, messages: &[Message], claimed: Instant) -> Vec<Result<(), PublishError>> {
        let all = |reason: &'static str| {
            messages.iter().map(|_| Err(PublishError::Transient(Failure::new(reason)))).collect::<Vec<_>>()
        };
        let publishing = AssertUnwindSafe(self.relay.publisher.publish(messages)).catch_unwind();
        match tokio::time::timeout_at(claimed + self.relay.lease / 2, publishing).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(_)) => all("the publisher panicked"),
            Err(_) => all("the publisher did not answer in time"),
        }
    }
}
