//! What can be seen of a projection while it runs.

use std::time::Duration;

use cqrs_core::{DeadLetterCount, Generation, GlobalPosition, MemberId, ProjectionName};

use crate::breaker::CircuitState;
use crate::error::ProjectionError;

/// What a projection, or one of its partitions, is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProjectionState {
    /// Another process writes it, or the lease is about to be taken.
    Waiting,
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
            Self::Waiting => 0,
            Self::Live => 1,
            Self::CatchingUp => 2,
            Self::Starting => 3,
            Self::Swapping => 4,
            Self::Retrying { .. } => 5,
            Self::Stopped(StopReason::Requested) => 6,
            Self::Stopped(StopReason::Failed) => 7,
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
    /// How long ago the oldest event was recorded that is not in the documents of all partitions, by this machine's clock;
    /// zero when there is none, `None` when the event store did not say.
    pub behind: Option<Duration>,
    /// Events per second that this process has folded of late, summed over its partitions.
    pub rate: f64,
    /// The last error of the partition that is worst off. After it the projection may have recovered: see `state`.
    pub error: Option<ProjectionError>,
    /// Failures in a row, since the last page of events that was written: of the partition with the most.
    pub attempts: u32,
    /// Failures that were followed by another attempt, since this process started.
    pub retries: u64,
    /// Dead letters that wait in the live generation; `None` without a [store](crate::Projections::dead_letters) of them, or when
    /// it did not say.
    pub dead_letters: Option<DeadLetterCount>,
    /// Whether this process uses the read model, or waits because it is away.
    pub circuit: CircuitState,
    /// Whether a rebuild is running in this process.
    pub rebuilding: bool,
    /// Each partition, in order.
    pub partitions: Vec<PartitionStatus>,
}

/// Who writes a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionOwner {
    /// This process.
    ThisProcess,
    /// The process that is this member.
    Other(MemberId),
    /// Nobody, as far as this process has seen: it is about to be taken.
    Nobody,
}

/// Where one partition of a projection stands. Of a partition that another process writes, state, rate, errors and attempts are
/// to be seen in that process.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PartitionStatus {
    /// Its number, from 0.
    pub partition: u16,
    /// Who writes it.
    pub owner: PartitionOwner,
    /// What it is doing in this process.
    pub state: ProjectionState,
    /// The generation that it writes; `None` as long as the read model could not be opened.
    pub generation: Option<Generation>,
    /// Everything up to here is in its documents. Where another process writes it, the checkpoint in the sink, which may be
    /// a moment behind.
    pub position: GlobalPosition,
    /// How many positions its documents are behind the log; `None` when the event store did not say where that ends.
    pub lag: Option<u64>,
    /// How long ago the oldest event was recorded that is not in its documents, by this machine's clock; zero when there is
    /// none, `None` when the event store did not say.
    pub behind: Option<Duration>,
    /// Events per second that were folded of late.
    pub rate: f64,
    /// Its last error. After it the partition may have recovered: see `state`.
    pub error: Option<ProjectionError>,
    /// Failures in a row, since the last page of events that was written.
    pub attempts: u32,
    /// Failures that were followed by another attempt, since this process started.
    pub retries: u64,
    /// Documents that wait with dead letters; 0 where another process writes it.
    pub parked: u64,
}

impl ProjectionStatus {
    pub(super) fn new(
        name: ProjectionName,
        partitions: Vec<PartitionStatus>,
        head: Option<GlobalPosition>,
        rebuilding: bool,
        circuit: CircuitState,
        dead_letters: Option<DeadLetterCount>,
    ) -> Self {
        let worst = partitions.iter().rev().max_by_key(|one| (one.state.weight(), one.error.is_some()));
        Self {
            name,
            state: worst.map_or(ProjectionState::Starting, |worst| worst.state),
            generation: partitions.iter().filter_map(|one| one.generation).min(),
            position: partitions.iter().map(|one| one.position).min().unwrap_or(GlobalPosition::START),
            head,
            lag: partitions.iter().filter_map(|one| one.lag).max(),
            behind: partitions.iter().map(|one| one.behind).max().flatten(),
            rate: partitions.iter().map(|one| one.rate).sum(),
            error: worst.and_then(|worst| worst.error.clone()),
            attempts: partitions.iter().map(|one| one.attempts).max().unwrap_or(0),
            retries: partitions.iter().map(|one| one.retries).sum(),
            dead_letters,
            circuit,
            rebuilding,
            partitions,
        }
    }
}
