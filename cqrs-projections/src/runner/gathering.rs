//! The events of the log gathered into batches.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use cqrs_core::{GlobalPosition, LogPage, RecordedEvent, StoreError, Subscription};
use tokio::sync::watch;
use tokio::time::Instant;

use super::due;
use crate::batches::Batches;
use crate::supervisor::Waits;

/// How long a batch that is not full waits at most, beyond its age, while more events are known to come: where few of them are
/// wanted, the way to the next one is long.
const SCANNED: Duration = Duration::from_secs(1);

/// A subscription whose pages are batches.
#[derive(Debug)]
pub(super) struct Gathering {
    subscription: Box<dyn Subscription>,
    batches: Batches,
    events: VecDeque<RecordedEvent>,
    bytes: usize,
    /// When the first of them was read.
    since: Option<Instant>,
    /// How far the log was read, and whether it is known to go on.
    scanned_to: GlobalPosition,
    more: bool,
    /// Everything up to here was given.
    given: GlobalPosition,
}

impl Gathering {
    pub(super) fn new(subscription: Box<dyn Subscription>, batches: Batches) -> Self {
        let given = subscription.position();
        let (events, scanned_to) = (VecDeque::new(), given);
        Self { subscription, batches, events, bytes: 0, since: None, scanned_to, more: false, given }
    }

    /// Everything up to here was given.
    pub(super) const fn position(&self) -> GlobalPosition {
        self.given
    }

    /// The next batch, as soon as it is due, or somebody waits for what is in it. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, waits: &mut watch::Receiver<Waits>) -> Result<LogPage, StoreError> {
        loop {
            let (given, read) = (self.given, self.scanned_to);
            if self.is_due() || waits.borrow().any_within(given, read) {
                return Ok(self.give());
            }
            tokio::select! {
                biased;
                // It is given when it is looked at again.
                _ = waits.wait_for(|waits| waits.any_within(given, read)), if given < read => {}
                () = due(self.due_at()), if self.since.is_some() => {}
                page = self.subscription.next() => match page {
                    Ok(page) => self.take_in(page),
                    // It comes again, after what was read before it.
                    Err(_) if given < read => return Ok(self.give()),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Reads on, up to the next batch, while one is being written. Never ends; dropping the future loses nothing.
    pub(super) async fn read_on(&mut self) -> Infallible {
        while !self.is_full() {
            match self.subscription.next().await {
                Ok(page) => self.take_in(page),
                // It comes again when the next batch is asked for.
                Err(_) => break,
            }
        }
        pending().await
    }

    /// What was read and not given yet, due or not, as far as it fits in one batch.
    pub(super) fn rest(&mut self) -> Option<LogPage> {
        (self.given < self.scanned_to).then(|| self.give())
    }

    fn take_in(&mut self, page: LogPage) {
        if self.since.is_none() && !page.events.is_empty() {
            self.since = Some(Instant::now());
        }
        self.bytes += page.events.iter().map(RecordedEvent::bytes).sum::<usize>();
        self.events.extend(page.events);
        (self.scanned_to, self.more) = (page.scanned_to, page.more);
    }

    fn is_due(&self) -> bool {
        match self.events.is_empty() {
            // There is nothing to be written.
            true => self.given < self.scanned_to,
            false => self.is_full() || self.due_at().is_some_and(|at| at <= Instant::now()),
        }
    }

    fn is_full(&self) -> bool {
        self.events.len() >= self.batches.events || self.bytes >= self.batches.bytes
    }

    /// `None` where it is later than time goes.
    fn due_at(&self) -> Option<Instant> {
        let wait = if self.more { self.batches.age.max(SCANNED) } else { self.batches.age };
        self.since.and_then(|since| since.checked_add(wait))
    }

    fn give(&mut self) -> LogPage {
        let mut bytes = 0_usize;
        let fits = |event: &&RecordedEvent| {
            bytes = bytes.saturating_add(event.bytes());
            bytes <= self.batches.bytes
        };
        let whole = self.events.iter().take(self.batches.events).take_while(fits).count().max(1);
        let events: Vec<_> = self.events.drain(..whole.min(self.events.len())).collect();
        self.bytes -= events.iter().map(RecordedEvent::bytes).sum::<usize>();
        self.given = match (self.events.is_empty(), events.last()) {
            (false, Some(last)) => last.position,
            _ => {
                self.since = None;
                self.scanned_to
            }
        };
        LogPage { events, scanned_to: self.given, more: self.more || self.given < self.scanned_to }
    }
}
