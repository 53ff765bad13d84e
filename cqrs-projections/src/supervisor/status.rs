//! What can be seen of a projection while it runs.

use std::time::Duration;

use cqrs_core::{Generation, GlobalPosition, ProjectionName};

use crate::error::ProjectionError;

/// What a projection, or one of its partitions, is doing.
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

impl ProjectionState {
    /// Of several partitions, the one with the highest of these tells how the whole is.
    const fn weight(self) -> u8 {
        match self {
            Self::Live => 0,
            Self::CatchingUp => 1,
            Self::Starting => 2,
            Self::Swapping => 3,
            Self::Retrying { .. } => 4,
            Self::Stopped(StopReason::Requested) => 5,
            Self::Stopped(StopReason::Failed) => 6,
        }
    }
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

/// Where a projection stands: all of its partitions taken together.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProjectionStatus {
    /// Its name.
    pub name: ProjectionName,
    /// What the partition is doing that is worst off.
    pub state: ProjectionState,
    /// The live generation; `None` as long as the read model could not be opened.
    pub generation: Option<Generation>,
    /// Everything up to here is in the documents of all partitions.
    pub position: GlobalPosition,
    /// Where the log ends; `None` when the event store did not say.
    pub head: Option<GlobalPosition>,
    /// How many positions the documents are behind the log. Events that the projector does not want count until the
    /// runner has passed them.
    pub lag: Option<u64>,
    /// The last error of the partition that is worst off. After it the projection may have recovered: see `state`.
    pub error: Option<ProjectionError>,
    /// Failures in a row, since the last page of events that was written: of the partition with the most.
    pub attempts: u32,
    /// Whether a rebuild is running.
    pub rebuilding: bool,
    /// Each partition, in order.
    pub partitions: Vec<PartitionStatus>,
}

/// Where one partition of a projection stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartitionStatus {
    /// Its number, from 0.
    pub partition: u16,
    /// What it is doing.
    pub state: ProjectionState,
    /// The generation that it writes; `None` as long as the read model could not be opened.
    pub generation: Option<Generation>,
    /// Everything up to here is in its documents.
    pub position: GlobalPosition,
    /// How many positions its documents are behind the log; `None` when the event store did not say where that ends.
    pub lag: Option<u64>,
    /// Its last error. After it the partition may have recovered: see `state`.
    pub error: Option<ProjectionError>,
    /// Failures in a row, since the last page of events that was written.
    pub attempts: u32,
}

impl ProjectionStatus {
    pub(super) fn new(
        name: ProjectionName,
        partitions: Vec<PartitionStatus>,
        head: Option<GlobalPosition>,
        rebuilding: bool,
    ) -> Self {
        let worst = partitions.iter().rev().max_by_key(|one| (one.state.weight(), one.error.is_some()));
        Self {
            name,
            state: worst.map_or(ProjectionState::Starting, |worst| worst.state),
            generation: partitions.iter().filter_map(|one| one.generation).min(),
            position: partitions.iter().map(|one| one.position).min().unwrap_or(GlobalPosition::START),
            head,
            lag: partitions.iter().filter_map(|one| one.lag).max(),
            error: worst.and_then(|worst| worst.error.clone()),
            attempts: partitions.iter().map(|one| one.attempts).max().unwrap_or(0),
            rebuilding,
            partitions,
        }
    }
}
