//! A bound on how many events are folded in a second.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Throttle {
    per_second: u32,
    /// When the next events may be folded.
    next: Instant,
}

impl Throttle {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), next: Instant::now() }
    }

    /// At most what is allowed in a tenth of a second is folded at once.
    pub(super) fn batch(&self, wanted: usize) -> usize {
        wanted.min(self.per_second as usize / 10).max(1)
    }

    /// Waits until so many events may be folded. Time in which nothing was folded is not made up for.
    pub(super) async fn pass(&mut self, events: usize) {
        tokio::time::sleep_until(self.next).await;
        let takes = Duration::from_secs(1).mul_f64(events as f64 / f64::from(self.per_second));
        self.next = self.next.max(Instant::now()) + takes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_events_pass_than_are_allowed() {
        let (start, mut throttle) = (Instant::now(), Throttle::new(1_000));
        for _ in 0..50 {
            throttle.pass(100).await;
        }
        // The first pass at once.
        assert_eq!(start.elapsed(), Duration::from_millis(4_900));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for() {
        let mut throttle = Throttle::new(10);
        throttle.pass(1).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        for _ in 0..11 {
            throttle.pass(1).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn batches_are_small_enough_to_spread_the_load() {
        assert_eq!(Throttle::new(1_000).batch(5_000), 100);
        assert_eq!(Throttle::new(3).batch(5_000), 1);
        assert_eq!(Throttle::new(1_000_000).batch(5_000), 5_000);
    }
}
