//! The log in pages, read and routed by several readers at once and delivered in order.

use std::collections::VecDeque;
use std::sync::Arc;

use cqrs_core::{EventStore, GlobalPosition, Partitions, ReadAll, RecordedEvent, Timestamp};
use tokio::task::JoinHandle;

use crate::batch::{Fold, Planned, Share};
use crate::error::ProjectionError;
use crate::error_policy::Judge;

/// How many pages are on their way at the same time.
const READERS: usize = 4;

/// How many times as many positions as events a window has at most, where most events are none that the projector wants.
const WIDEST: u64 = 64;

/// What is read, for whom.
pub(crate) struct Reading {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) partitions: Partitions,
    pub(crate) shares: Vec<Share>,
    /// Events in a page at most.
    pub(crate) batch: usize,
    /// Only what had occurred by then.
    pub(crate) occurred: Option<Timestamp>,
    /// Which events are left out because they cannot be decoded or routed.
    pub(crate) judge: Judge,
}

pub(crate) struct Page {
    /// For each share.
    pub(crate) plans: Vec<Planned>,
    /// Events in the page.
    pub(crate) events: usize,
    pub(crate) scanned_to: GlobalPosition,
}

/// Pages of the log. Each reader has a window of positions of its own; the readings end when this is dropped.
pub(crate) struct Pages {
    reading: Arc<Reading>,
    /// Everything up to here is being read.
    asked: GlobalPosition,
    until: GlobalPosition,
    /// How many positions a window has.
    width: u64,
    ahead: VecDeque<Ahead>,
}

struct Ahead {
    until: GlobalPosition,
    page: JoinHandle<Result<Page, ProjectionError>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.page.abort();
    }
}

impl Pages {
    /// The events after `after` and up to `until`.
    pub(crate) fn new(reading: Reading, after: GlobalPosition, until: GlobalPosition) -> Self {
        let width = reading.batch as u64;
        Self { reading: Arc::new(reading), asked: after, until, width, ahead: VecDeque::new() }
    }

    /// The next page; `None` after the last one. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ProjectionError> {
        while self.ahead.len() < READERS && self.asked < self.until {
            let after = self.asked;
            self.asked = GlobalPosition::new(after.get().saturating_add(self.width)).min(self.until);
            let (reading, until) = (Arc::clone(&self.reading), self.asked);
            self.ahead.push_back(Ahead { until, page: tokio::spawn(async move { reading.page(after, until).await }) });
        }
        let Some(Ahead { until, page }) = self.ahead.front_mut() else {
            return Ok(None);
        };
        // It ends by itself, unless code that it calls panics.
        let page = page.await.unwrap_or(Err(ProjectionError::Aborted));
        let until = *until;
        self.ahead.pop_front();
        let page = page?;
        let batch = self.reading.batch as u64;
        if page.scanned_to < until {
            // Full before the end of its window.
            self.ahead.clear();
            self.asked = page.scanned_to;
            self.width = (self.width / 2).max(batch);
        } else if (page.events as u64) < batch / 2 {
            self.width = self.width.saturating_mul(2).min(batch.saturating_mul(WIDEST));
        }
        Ok(Some(page))
    }
}

impl Reading {
    /// What is between two positions, or as much of it as one page holds.
    async fn page(&self, after: GlobalPosition, until: GlobalPosition) -> Result<Page, ProjectionError> {
        let read = ReadAll::after(after).until(until).filter(self.fold.filter()).limit(self.batch);
        let mut page = self.store.read_all(read).await?;
        // A page that brings nothing cannot be followed by more.
        let more = page.more && page.scanned_to > after && page.scanned_to < until;
        if let Some(time) = self.occurred {
            page.events.retain(|event| occurred_at(event) <= time);
        }
        let events = page.events.len();
        let plans = self.fold.plan(page.events, self.partitions, &self.shares, &self.judge).await;
        // What holds no more up to there was read up to there.
        Ok(Page { plans, events, scanned_to: if more { page.scanned_to } else { until } })
    }
}

fn occurred_at(event: &RecordedEvent) -> Timestamp {
    event.occurred_at.unwrap_or(event.recorded_at)
}
