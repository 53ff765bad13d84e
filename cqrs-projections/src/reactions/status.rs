//! What can be seen of a reactor while it runs.

use cqrs_core::{GlobalPosition, ProjectionName};

use crate::error::ProjectionError;
use crate::supervisor::ProjectionState;

/// Where a reactor stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReactionStatus {
    /// Its name.
    pub name: ProjectionName,
    /// What it is doing in this process. [`Waiting`](ProjectionState::Waiting): another process runs it.
    pub state: ProjectionState,
    /// Everything up to here is done, as far as this process has done it.
    pub position: GlobalPosition,
    /// How many positions it is behind the log; `None` when the event store did not say where that ends.
    pub lag: Option<u64>,
    /// Events that this process has reacted to.
    pub events: u64,
    /// Its last error. After it the reactor may have recovered: see `state`.
    pub error: Option<ProjectionError>,
}

/// What a reactor tells about itself.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) state: ProjectionState,
    pub(super) position: GlobalPosition,
    /// Events that were reacted to.
    pub(super) done: u64,
    pub(super) error: Option<ProjectionError>,
}

impl Progress {
    pub(super) const fn new() -> Self {
        Self { state: ProjectionState::Starting, position: GlobalPosition::START, done: 0, error: None }
    }

    pub(super) fn started(&mut self, position: GlobalPosition) {
        self.position = self.position.max(position);
        self.state = ProjectionState::CatchingUp;
    }

    pub(super) fn advanced(&mut self, position: GlobalPosition, events: u64) {
        self.position = self.position.max(position);
        self.done += events;
    }

    pub(super) fn failed(&mut self, state: ProjectionState, error: ProjectionError) {
        self.state = state;
        self.error = Some(error);
    }

    pub(super) fn status(&self, name: &ProjectionName, head: Option<GlobalPosition>) -> ReactionStatus {
        let lag = head.map(|head| head.get().saturating_sub(self.position.get()));
        let Self { state, position, done, error } = self.clone();
        ReactionStatus { name: name.clone(), state, position, lag, events: done, error }
    }
}
