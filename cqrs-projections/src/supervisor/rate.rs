//! How many events go through in a second.

use std::time::Duration;

use tokio::time::Instant;

/// What was long ago counts less: after so long, a third as much.
const FADES: Duration = Duration::from_secs(10);

/// Events per second, of late.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    /// Events, those of long ago faded, and when that was so.
    of: Option<(f64, Instant)>,
}

impl Rate {
    #[allow(clippy::cast_precision_loss, reason = "shown to people")]
    pub(crate) fn add(&mut self, events: usize, now: Instant) {
        self.of = Some((self.faded(now) + events as f64, now));
    }

    pub(crate) fn per_second(&self, now: Instant) -> f64 {
        self.faded(now) / FADES.as_secs_f64()
    }

    fn faded(&self, now: Instant) -> f64 {
        self.of.map_or(0.0, |(events, then)| {
            let passed = now.saturating_duration_since(then).as_secs_f64() / FADES.as_secs_f64();
            events * (-passed).exp()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_told_as_it_is_and_fades_when_it_ends() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        assert_eq!(rate.per_second(start).to_bits(), 0.0_f64.to_bits());
        let at = |millis: u64| start + Duration::from_millis(millis);
        for step in 0..600 {
            rate.add(50, at(step * 100));
        }
        assert!((rate.per_second(at(60_000)) - 500.0).abs() < 10.0, "{rate:?}");
        assert!(rate.per_second(at(70_000)) < 200.0);
        assert!(rate.per_second(at(160_000)) < 1.0);
    }
}
