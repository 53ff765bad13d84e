//! The states of a circuit, and what changes them: pure.

use std::time::Duration;

use cqrs_core::Backoff;
use tokio::time::Instant;

use super::CircuitState;

/// When the read model of a projection counts as away, and how often it is probed then.
///
/// Each projection has a circuit of its own, which its partitions share: other projections never notice. Only transient errors
/// of the read model count, and only a batch that was written makes up for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitBreaker {
    failures: u32,
    pauses: Backoff,
}

impl CircuitBreaker {
    /// Opens after so many failures in a row (0 is taken as 1), counted over all partitions, and lets one partition at a time
    /// probe the read model after these pauses.
    #[must_use]
    pub const fn new(failures: u32, pauses: Backoff) -> Self {
        Self { failures: if failures == 0 { 1 } else { failures }, pauses }
    }
}

impl Default for CircuitBreaker {
    /// Opens after 5 failures in a row, with pauses from 100 ms up to 10 s.
    fn default() -> Self {
        Self::new(5, Backoff::new(Duration::from_millis(100), Duration::from_secs(10)))
    }
}

/// Whether somebody may use the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// As everybody.
    Free,
    /// To probe it, alone.
    Probe,
    /// Not before then, or before somebody else's probe has ended.
    Wait(Option<Instant>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open { until: Instant },
    Probing,
}

#[derive(Debug)]
pub(super) struct Circuit {
    options: CircuitBreaker,
    gate: Gate,
    /// Failures since a batch was written.
    failures: u32,
    /// How often it opened since a batch was written.
    opened: u32,
}

impl Circuit {
    pub(super) const fn new(options: CircuitBreaker) -> Self {
        Self { options, gate: Gate::Closed, failures: 0, opened: 0 }
    }

    pub(super) const fn state(&self) -> CircuitState {
        match self.gate {
            Gate::Closed => CircuitState::Closed,
            Gate::Open { .. } | Gate::Probing => CircuitState::Open { times: self.opened },
        }
    }

    /// Whether the sink may be used; a probe begins where it is `taken`.
    pub(super) fn admission(&mut self, now: Instant, taken: bool) -> Admission {
        match self.gate {
            Gate::Closed => Admission::Free,
            Gate::Open { until } if until > now => Admission::Wait(Some(until)),
            Gate::Open { .. } => {
                if taken {
                    self.gate = Gate::Probing;
                }
                Admission::Probe
            }
            Gate::Probing => Admission::Wait(None),
        }
    }

    /// The sink was away.
    pub(super) fn fail(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.gate {
            Gate::Closed => self.failures >= self.options.failures,
            // An answer to what was asked before it opened.
            Gate::Open { .. } => false,
            Gate::Probing => true,
        };
        if opens {
            self.opened = self.opened.saturating_add(1);
            self.gate = Gate::Open { until: now + self.options.pauses.after(self.opened) };
        }
    }

    /// The sink has answered a probe. It may be that it can be read and not be written: the next failure opens the circuit
    /// again.
    pub(super) fn answer(&mut self, _: Instant) {
        if self.gate == Gate::Probing {
            self.gate = Gate::Closed;
            self.failures = self.options.failures.saturating_sub(1);
        }
    }

    /// A batch was written.
    pub(super) const fn succeed(&mut self, _: Instant) {
        (self.gate, self.failures, self.opened) = (Gate::Closed, 0, 0);
    }

    /// Whoever probed has not asked the sink anything.
    pub(super) fn abandon(&mut self, now: Instant) {
        if self.gate == Gate::Probing {
            self.gate = Gate::Open { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn circuit() -> Circuit {
        Circuit::new(CircuitBreaker::new(3, Backoff::new(SECOND, 10 * SECOND)))
    }

    /// Opened by three failures.
    fn open(now: Instant) -> Circuit {
        let mut circuit = circuit();
        (0..3).for_each(|_| circuit.fail(now));
        circuit
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_a_batch_makes_up_for_them() {
        let (mut circuit, now) = (circuit(), Instant::now());
        for _ in 0..5 {
            circuit.fail(now);
            circuit.fail(now);
            circuit.answer(now);
            assert_eq!(circuit.admission(now, true), Admission::Free);
            circuit.succeed(now);
        }
        (0..2).for_each(|_| circuit.fail(now));
        assert_eq!(circuit.state(), CircuitState::Closed);
        circuit.fail(now);
        assert_eq!(circuit.state(), CircuitState::Open { times: 1 });
    }

    #[test]
    fn one_probes_after_the_pause_while_all_others_wait() {
        let now = Instant::now();
        let mut circuit = open(now);
        let Admission::Wait(Some(until)) = circuit.admission(now, true) else { panic!("{circuit:?}") };
        assert!(until >= now + SECOND && until <= now + 2 * SECOND);
        assert_eq!(circuit.admission(until, false), Admission::Probe, "to look is not to probe");
        assert_eq!(circuit.admission(until, true), Admission::Probe);
        assert_eq!(circuit.admission(until, true), Admission::Wait(None));
        assert_eq!(circuit.admission(until + 100 * SECOND, true), Admission::Wait(None));
        circuit.succeed(until);
        assert_eq!(circuit.admission(until, true), Admission::Free);
    }

    #[test]
    fn pauses_grow_with_each_probe_that_fails_up_to_a_maximum() {
        let mut now = Instant::now();
        let mut circuit = open(now);
        for probe in 0..8 {
            let Admission::Wait(Some(until)) = circuit.admission(now, true) else { panic!("{circuit:?}") };
            assert!(until >= now + SECOND.max((SECOND * 2_u32.pow(probe)).min(5 * SECOND)), "probe {probe}");
            assert!(until <= now + 10 * SECOND);
            now = until;
            assert_eq!(circuit.admission(now, true), Admission::Probe);
            circuit.fail(now);
            // One that was asked before.
            circuit.fail(now);
            assert_eq!(circuit.state(), CircuitState::Open { times: probe + 2 });
        }
    }

    #[test]
    fn a_sink_that_answers_and_cannot_be_written_opens_it_again_at_once() {
        let now = Instant::now();
        let mut circuit = open(now);
        let later = now + 2 * SECOND;
        assert_eq!(circuit.admission(later, true), Admission::Probe);
        circuit.answer(later);
        assert_eq!(circuit.admission(later, true), Admission::Free);
        circuit.fail(later);
        assert_eq!(circuit.state(), CircuitState::Open { times: 2 });
        // An answer to what was asked before.
        circuit.answer(later);
        assert_eq!(circuit.state(), CircuitState::Open { times: 2 });
    }

    #[test]
    fn a_probe_that_came_to_nothing_leaves_its_turn() {
        let now = Instant::now();
        let mut circuit = open(now);
        let later = now + 2 * SECOND;
        assert_eq!(circuit.admission(later, true), Admission::Probe);
        circuit.abandon(later);
        assert_eq!(circuit.admission(later, true), Admission::Probe);
        circuit.succeed(later);
        circuit.abandon(later);
        assert_eq!(circuit.state(), CircuitState::Closed);
    }

    #[test]
    fn no_failures_are_taken_as_one() {
        let now = Instant::now();
        let mut circuit = Circuit::new(CircuitBreaker::new(0, Backoff::default()));
        assert_eq!(circuit.admission(now, true), Admission::Free);
        circuit.fail(now);
        assert_eq!(circuit.state(), CircuitState::Open { times: 1 });
    }
}
