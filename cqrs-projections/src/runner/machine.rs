//! The runner's states: what it does next, decided without doing it.

use std::time::Duration;

use cqrs_core::{ReadModelError, StoreError};

use crate::error::{ErrorClass, ProjectionError};
use crate::error_policy::{Attempts, ErrorDecision, ErrorPolicy};
use crate::supervisor::StopReason;

#[cfg(test)]
mod tests;

/// What the runner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Wait for the lease of the partition.
    Waiting,
    /// Open the sink, own the target, verify the checkpoint, subscribe.
    Starting,
    /// Fetch a page, fold it, write it; more is known to come.
    CatchingUp,
    /// The same at the end of the log.
    Live,
    /// Another generation is being made the live one: wait a moment, then start again.
    HeldBack,
    /// Wait, then start again.
    Retrying { after: Duration },
    /// Nothing any more.
    Stopped(StopReason),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The partition is this process's to write.
    Leased,
    /// It is no longer: the lease was taken, was given back, or ran out.
    LeaseLost,
    /// The checkpoint was verified and the subscription stands.
    Started { behind: bool },
    /// Another generation is being made the live one.
    HeldBack,
    /// Another generation is the live one, or may be.
    Replaced,
    /// A page was written.
    Advanced { more: bool },
    /// Dead letters were replayed, as far as any were to be: no page was written.
    Replayed,
    /// It failed.
    Failed(ProjectionError),
    /// The wait is over.
    Waited,
    /// The runner was asked to stop.
    StopRequested,
}

/// How long it leaves to others that are still at its partition, or at its generation.
const AGAIN: Duration = Duration::from_millis(100);

/// What a former owner leads to: for the holder of the lease no reason to stop.
const fn comes_from_others(error: &ProjectionError) -> bool {
    matches!(
        error,
        ProjectionError::ReadModel(ReadModelError::Fenced { .. })
            | ProjectionError::DeadLetters(StoreError::Fenced { .. })
    )
}

/// The generation was deleted, or another one is the live one: starting again finds it, or opens one.
const fn is_gone(error: &ProjectionError) -> bool {
    matches!(error, ProjectionError::ReadModel(ReadModelError::NotFound { .. }))
}

#[derive(Debug)]
pub(crate) struct Machine {
    /// Whether the partition is shared by lease: who holds the lease takes the target back from whoever has it.
    shared: bool,
    state: State,
    /// Failures in a row, without a page written in between.
    attempts: Attempts,
    error: Option<ProjectionError>,
    /// Whether the checkpoint was reloaded because the sink was not as it was left, with no page written since.
    reloaded: bool,
}

impl Machine {
    pub(crate) fn new(shared: bool) -> Self {
        let state = if shared { State::Waiting } else { State::Starting };
        Self { shared, state, attempts: Attempts::default(), error: None, reloaded: false }
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) const fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// The last error.
    pub(crate) const fn error(&self) -> Option<&ProjectionError> {
        self.error.as_ref()
    }

    pub(crate) fn on(&mut self, outcome: Outcome, policy: &dyn ErrorPolicy) {
        self.state = match outcome {
            _ if matches!(self.state, State::Stopped(_)) => self.state,
            Outcome::Started { behind: true } | Outcome::Advanced { more: true } => State::CatchingUp,
            Outcome::Started { behind: false } | Outcome::Advanced { more: false } => State::Live,
            Outcome::Leased | Outcome::Waited | Outcome::Replaced => State::Starting,
            Outcome::LeaseLost => State::Waiting,
            Outcome::Replayed => self.state,
            Outcome::HeldBack => State::HeldBack,
            Outcome::StopRequested => State::Stopped(StopReason::Requested),
            Outcome::Failed(ref error) => self.failed(error, policy),
        };
        match outcome {
            Outcome::Advanced { .. } | Outcome::LeaseLost | Outcome::Replaced => {
                self.attempts.clear();
                self.reloaded = false;
            }
            Outcome::Failed(error) => self.error = Some(error),
            _ => {}
        }
    }

    fn failed(&mut self, error: &ProjectionError, policy: &dyn ErrorPolicy) -> State {
        self.attempts.failed(error);
        // The sink is not as it was left: it has lost something, or somebody else was there. Starting again tells.
        if let ProjectionError::ReadModel(ReadModelError::OutOfSequence { .. }) = error
            && !self.reloaded
        {
            self.reloaded = true;
            return State::Starting;
        }
        if is_gone(error) || (self.shared && comes_from_others(error)) {
            if self.reloaded {
                return State::Retrying { after: AGAIN };
            }
            self.reloaded = true;
            return State::Starting;
        }
        if error.class() == ErrorClass::Fatal {
            return State::Stopped(StopReason::Failed);
        }
        match policy.decide(error, self.attempts.count()) {
            ErrorDecision::Retry { after } => State::Retrying { after },
            // What can be a dead letter was made one, and did not get here.
            ErrorDecision::DeadLetter | ErrorDecision::Stop => State::Stopped(StopReason::Failed),
        }
    }
}
