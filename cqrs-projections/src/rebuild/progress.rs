//! How far a rebuild has come.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cqrs_core::GlobalPosition;
use tokio::time::Instant;

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RebuildProgress {
    /// Events that were folded so far by this rebuild: without those that one had folded which it goes on with.
    pub events: u64,
    /// Everything up to here is folded, and in the new generation but for the last batch or two.
    pub done: GlobalPosition,
    /// Where the log ends, as far as it is known; it grows while events are appended.
    pub of: GlobalPosition,
    /// Positions per second so far.
    pub rate: f64,
    /// The time that it has taken.
    pub elapsed: Duration,
    /// The time that is left if it goes on like this; `None` before the first batch.
    pub left: Option<Duration>,
}

type Observe = Box<dyn FnMut(&RebuildProgress) + Send>;

/// Counts what was done and tells the user's callback.
pub(crate) struct Observer {
    observe: Option<Observe>,
    begun: Instant,
    /// Where it began: what a former rebuild has filled does not count.
    from: GlobalPosition,
    events: u64,
}

impl Default for Observer {
    fn default() -> Self {
        Self { observe: None, begun: Instant::now(), from: GlobalPosition::START, events: 0 }
    }
}

impl Observer {
    pub(crate) fn new(observe: impl FnMut(&RebuildProgress) + Send + 'static) -> Self {
        Self { observe: Some(Box::new(observe)), ..Self::default() }
    }

    pub(crate) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    pub(crate) const fn begun_at(&mut self, from: GlobalPosition) {
        self.from = from;
    }

    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn advanced(&mut self, events: usize, done: GlobalPosition, of: GlobalPosition) {
        self.events += events as u64;
        let progress = progress(self.events, self.from, done, of.max(done), self.elapsed());
        if let Some(observe) = &mut self.observe
            && catch_unwind(AssertUnwindSafe(|| observe(&progress))).is_err()
        {
            // A broken progress bar is no reason to throw the work away.
            self.observe = None;
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown to people")]
fn progress(
    events: u64,
    from: GlobalPosition,
    done: GlobalPosition,
    of: GlobalPosition,
    elapsed: Duration,
) -> RebuildProgress {
    let rate = done.get().saturating_sub(from.get()) as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = (of.get() - done.get()) as f64 / rate;
    let left = if left.is_nan() { None } else { Duration::try_from_secs_f64(left).ok() };
    RebuildProgress { events, done, of, rate, elapsed, left }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_rate() {
        let seen = progress(
            10,
            GlobalPosition::START,
            GlobalPosition::new(250),
            GlobalPosition::new(1_000),
            Duration::from_secs(5),
        );
        assert!((seen.rate - 50.0).abs() < 1e-9);
        assert_eq!(seen.left, Some(Duration::from_secs(15)));
    }

    #[test]
    fn what_was_there_before_is_no_speed() {
        let (from, done, of) = (GlobalPosition::new(9_000), GlobalPosition::new(9_500), GlobalPosition::new(10_000));
        let seen = progress(10, from, done, of, Duration::from_secs(5));
        assert!((seen.rate - 100.0).abs() < 1e-9);
        assert_eq!(seen.left, Some(Duration::from_secs(5)));
    }

    #[test]
    fn an_empty_log_has_nothing_left_to_estimate() {
        let seen = progress(0, GlobalPosition::START, GlobalPosition::START, GlobalPosition::START, Duration::ZERO);
        assert_eq!((seen.rate, seen.left), (0.0, None));
        let seen =
            progress(0, GlobalPosition::START, GlobalPosition::START, GlobalPosition::new(9), Duration::from_secs(1));
        assert_eq!(seen.left, None);
    }
}
