//! What a runner tells about itself.

use cqrs_core::{Generation, GlobalPosition};

use super::rate::Rate;
use super::status::ProjectionState;
use crate::error::ProjectionError;

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
    /// Failures that were followed by another attempt, in all.
    pub(crate) retries: u64,
    pub(crate) rate: Rate,
    pub(crate) parked: Parked,
    /// Whether the runner may be about to write.
    pub(crate) working: bool,
    /// Whether the sink is not as it was left: it is not known what is in the documents until it was looked at again.
    pub(crate) doubted: bool,
}

/// What the owner of a partition knows of its dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parked {
    /// Documents that are parked.
    pub(crate) documents: u64,
    /// Letters without document, some of which may have been discarded since.
    pub(crate) without_document: u64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            state: ProjectionState::Starting,
            generation: None,
            position: GlobalPosition::START,
            stored: GlobalPosition::START,
            error: None,
            attempts: 0,
            retries: 0,
            rate: Rate::default(),
            parked: Parked::default(),
            working: false,
            doubted: false,
        }
    }

    /// The checkpoint at `position` was verified against a log that ends at `head`. Tells whether the sink has lost documents that
    /// it had acknowledged.
    pub(crate) fn started(&mut self, generation: Generation, position: GlobalPosition, head: GlobalPosition) -> bool {
        let lost = position < self.stored;
        let kept = self.generation == Some(generation) && !lost;
        // What was reached stays reached, unless it was lost.
        self.position = if kept { position.max(self.position.min(head)) } else { position };
        self.generation = Some(generation);
        self.stored = position;
        self.doubted = false;
        lost
    }

    /// Everything up to here is known to be in the documents.
    pub(crate) const fn reached(&self) -> GlobalPosition {
        if self.doubted { GlobalPosition::START } else { self.position }
    }

    /// Another process's checkpoint was read. Tells whether it says anything new.
    pub(crate) fn seen(&mut self, generation: Generation, position: GlobalPosition) -> bool {
        let before = (self.generation, self.position, self.doubted);
        self.position = if self.generation == Some(generation) { self.position.max(position) } else { position };
        self.generation = Some(generation);
        self.stored = position;
        self.doubted = false;
        before != (self.generation, self.position, self.doubted)
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
        progress.doubted = true;
        assert_eq!(progress.reached(), at(0), "it is not known what was lost");
        assert!(progress.started(Generation::FIRST, at(6), at(9)));
        assert_eq!(progress.reached(), at(6));
        assert!(progress.started(Generation::new(2), at(0), at(9)), "all of them, with their generation");
        assert_eq!(progress.reached(), at(0));
    }

    #[test]
    fn another_generation_counts_from_its_own_checkpoint() {
        let mut progress = Progress::new();
        progress.started(Generation::FIRST, at(5), at(9));
        progress.started(Generation::new(2), at(8), at(9));
        assert_eq!((progress.position, progress.generation), (at(8), Some(Generation::new(2))));
    }

    #[test]
    fn what_is_seen_of_others_does_not_go_back() {
        let mut progress = Progress::new();
        assert!(progress.seen(Generation::FIRST, at(5)));
        assert!(!progress.seen(Generation::FIRST, at(5)));
        progress.started(Generation::FIRST, at(5), at(9));
        progress.advanced(at(9));
        assert!(!progress.seen(Generation::FIRST, at(7)), "another one goes on from the checkpoint");
        assert_eq!(progress.position, at(9));
        assert!(progress.seen(Generation::new(2), at(8)));
    }
}
