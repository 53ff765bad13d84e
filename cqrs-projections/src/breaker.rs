//! A circuit breaker for each sink: one that is down is probed, not hammered.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

mod circuit;
mod watched;

pub use circuit::CircuitBreaker;
pub(crate) use watched::WatchedModel;

use circuit::{Admission, Circuit};

/// Whether the read model of a projection is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// It is.
    Closed,
    /// It was away too often in a row: everybody waits, and one at a time probes it.
    Open {
        /// How often it was away since it was last written.
        times: u32,
    },
}

/// One sink as all who use it see it.
#[derive(Debug)]
pub(crate) struct Breaker {
    circuit: Mutex<Circuit>,
    changed: watch::Sender<()>,
}

/// The leave to use the sink for a while.
#[derive(Debug)]
pub(crate) struct Permit<'a>(Option<&'a Breaker>);

impl Breaker {
    pub(crate) fn new(options: CircuitBreaker) -> Self {
        Self { circuit: Mutex::new(Circuit::new(options)), changed: watch::Sender::default() }
    }

    /// Waits until the sink may be used: until the circuit is closed, or it is this one's turn to probe it.
    pub(crate) async fn admit(&self) -> Permit<'_> {
        self.wait(true).await
    }

    /// The same for who does not wait: `None` when the sink may not be used now.
    pub(crate) fn try_admit(&self) -> Option<Permit<'_>> {
        match self.circuit().admission(Instant::now(), true) {
            Admission::Free => Some(Permit(None)),
            Admission::Probe => Some(Permit(Some(self))),
            Admission::Wait(_) => None,
        }
    }

    /// Pauses after a failure: where the circuit is open, until it is time to ask for [leave](Self::admit).
    pub(crate) async fn pause(&self, pause: Duration) {
        match self.is_closed() {
            true => tokio::time::sleep(pause).await,
            false => drop(self.wait(false).await),
        }
    }

    async fn wait(&self, take: bool) -> Permit<'_> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let admission = self.circuit().admission(Instant::now(), take);
            match admission {
                Admission::Free => return Permit(None),
                Admission::Probe => return Permit(take.then_some(self)),
                Admission::Wait(Some(until)) => {
                    let _ = tokio::time::timeout_at(until, changed.changed()).await;
                }
                Admission::Wait(None) => drop(changed.changed().await),
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state() == CircuitState::Closed
    }

    pub(crate) fn state(&self) -> CircuitState {
        self.circuit().state()
    }

    fn change(&self, change: impl FnOnce(&mut Circuit, Instant)) {
        change(&mut self.circuit(), Instant::now());
        self.changed.send_replace(());
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // Nothing panics while it is held.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    /// A probe that came to nothing leaves its turn to the next one.
    fn drop(&mut self) {
        if let Some(breaker) = self.0 {
            breaker.change(Circuit::abandon);
        }
    }
}
