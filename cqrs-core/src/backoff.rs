//! How long to wait before the next attempt.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Exponential delays with jitter: each is drawn between its step and twice that, so that those who failed together do not
/// come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Default for Backoff {
    /// From 100 ms up to 30 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
    }
}

impl Backoff {
    /// Delays from `first` on, doubled each time, never above `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The delay after the `attempt`th failure in a row, from 1.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        // 2^32 steps of a nanosecond are beyond any delay that makes sense; the walk stays short.
        let step = attempt.clamp(1, 32) as usize - 1;
        let steps = ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .without_max_times();
        steps.build().nth(step).unwrap_or(self.longest).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_with_jitter_and_are_bounded() {
        let (first, longest) = (Duration::from_millis(10), Duration::from_secs(1));
        let backoff = Backoff::new(first, longest);
        for attempt in 1..=6 {
            let step = first * 2_u32.pow(attempt - 1);
            let after = backoff.after(attempt);
            assert!(after >= step && after <= step * 2, "attempt {attempt}: {after:?}");
        }
        for attempt in [0, 20, 32, 33, u32::MAX] {
            assert!(backoff.after(attempt) <= longest);
        }
        assert!(backoff.after(u32::MAX) > longest / 2);
    }
}
