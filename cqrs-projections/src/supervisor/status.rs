//! What can be seen of a projection while it runs.

use std::time::Duration;

use cqrs_core::{Generation, GlobalPosition, ProjectionName};

use crate::error::ProjectionError;

/// What a projection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProjectionState {
    /// It opens its read model and verifies its checkpoint.
    Starting,
    /// It folds events, and more are known to wait.
    CatchingUp,
    /// It has folded everything and waits for events.
    Live,
    /// It failed and will try again.
    Retrying {
        /// How long it waits before that.
        after: Duration,
    },
    /// It pauses for the moment in which a rebuilt generation goes live.
    Swapping,
    /// It has stopped.
    Stopped(StopReason),
}

/// Why a projection has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// It was asked to.
    Requested,
    /// An error stopped it.
    Failed,
}

/// Where a projection stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProjectionStatus {
    /// Its name.
    pub name: ProjectionName,
    /// What it is doing.
    pub state: ProjectionState,
    /// The live generation; `None` as long as the read model could not be opened.
    pub generation: Option<Generation>,
    /// Everything up to here is in the documents.
    pub position: GlobalPosition,
    /// Where the log ends; `None` when the event store did not say.
    pub head: Option<GlobalPosition>,
    /// How many positions the documents are behind the log. Events that the projector does not want count until the
    /// runner has passed them.
    pub lag: Option<u64>,
    /// The last error. After it the projection may have recovered: see `state`.
    pub error: Option<ProjectionError>,
    /// Failures in a row, since the last page of events that was written.
    pub attempts: u32,
    /// Whether a rebuild is running.
    pub rebuilding: bool,
}

/// What the runner tells about itself.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) state: ProjectionState,
    pub(crate) generation: Option<Generation>,
    /// What is in the documents. It runs ahead of `stored` while events come that change none.
    pub(crate) position: GlobalPosition,
    /// The checkpoint in the sink.
    pub(crate) stored: GlobalPosition,
    pub(crate) error: Option<ProjectionError>,
    pub(crate) attempts: u32,
}

impl Progress {
    pub(crate) const fn new() -> Self {
        Self {
            state: ProjectionState::Starting,
            generation: None,
            position: GlobalPosition::START,
            stored: GlobalPosition::START,
            error: None,
            attempts: 0,
        }
    }

    /// The checkpoint at `position` was verified against a log that ends at `head`.
    pub(crate) fn started(&mut self, generation: Generation, position: GlobalPosition, head: GlobalPosition) {
        let kept = self.generation == Some(generation) && position >= self.stored;
        // What was reached stays reached, unless the sink has lost documents that it had acknowledged.
        self.position = if kept { position.max(self.position.min(head)) } else { position };
        self.generation = Some(generation);
        self.stored = position;
    }

    /// Everything up to `position` is in the documents.
    pub(crate) fn advanced(&mut self, position: GlobalPosition) {
        self.position = self.position.max(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> GlobalPosition {
        GlobalPosition::new(position)
    }

    #[test]
    fn what_was_reached_stays_reached_when_the_runner_starts_again_from_its_checkpoint() {
        let mut progress = Progress::new();
        progress.started(Generation::FIRST, at(5), at(9));
        progress.advanced(at(9));
        progress.started(Generation::FIRST, at(5), at(9));
        assert_eq!(progress.position, at(9));
        progress.advanced(at(7));
        assert_eq!(progress.position, at(9));
    }

    #[test]
    fn a_sink_that_lost_documents_is_told_apart() {
        let mut progress = Progress::new();
        progress.started(Generation::FIRST, at(5), at(9));
        progress.stored = at(9);
        progress.advanced(at(9));
        progress.started(Generation::FIRST, at(6), at(9));
        assert_eq!(progress.position, at(6));
    }

    #[test]
    fn another_generation_counts_from_its_own_checkpoint() {
        let mut progress = Progress::new();
        progress.started(Generation::FIRST, at(5), at(9));
        progress.started(Generation::new(2), at(8), at(9));
        assert_eq!((progress.position, progress.generation), (at(8), Some(Generation::new(2))));
    }
}
