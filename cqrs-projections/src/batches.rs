//! How many events are folded and written together: the option.

use std::time::Duration;

/// How large the batches are in which running projections fold and write events.
///
/// A batch is written as soon as it is full, or as nothing more is known to come and it is as old as it may become. A document
/// that several of its events change is written once: larger batches are fewer and smaller writes in all, smaller ones are seen
/// earlier and hold a read model up for less long.
///
/// ```no_run
/// # use std::time::Duration;
/// # use cqrs_core::{EventStore, ReadModel};
/// # use cqrs_projections::{Batches, Projections, Projector};
/// # async fn example(store: impl EventStore, summary: impl Projector, redis: impl ReadModel, search: impl Projector,
/// #     elastic: impl ReadModel) -> Result<(), cqrs_projections::StartError> {
/// let running = Projections::new(store)
///     .add("account-summary", summary, redis)
///     .add("account-search", search, elastic)
///     // Each write of Elasticsearch costs much: one or two each second.
///     .batches_of("account-search", Batches::default().events(20_000).age(Duration::from_millis(500)))
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl Default for Batches {
    /// 5,000 events, 16 MiB, and no waiting for more.
    fn default() -> Self {
        Self { events: 5_000, bytes: 16 << 20, age: Duration::ZERO }
    }
}

impl Batches {
    /// At most so many events that the projector wants (0 is taken as 1); 5,000 unless told.
    #[must_use]
    pub const fn events(mut self, events: usize) -> Self {
        self.events = if events == 0 { 1 } else { events };
        self
    }

    /// At most so many bytes of payload and metadata, though never less than one event; 16 MiB (16,777,216) unless told. A
    /// partition holds as many in memory, and the pages of the log that are read ahead.
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// A batch that is not full may wait so long for more events, counted from when its first one was read; zero unless told:
    /// it is written at once. Readers see the documents so much later at most.
    ///
    /// Nobody waits for it in vain: [`Running::wait_for`](crate::Running::wait_for) has the batch written that it needs, at once,
    /// and so has [`stop`](crate::Running::stop). Only who waits for a partition that another process writes waits for the
    /// batch to come of age.
    #[must_use]
    pub const fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }
}
