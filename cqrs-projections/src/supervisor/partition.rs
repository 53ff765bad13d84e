//! One partition of a projection: its runner's task, and what is known about it.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Generation, GlobalPosition, MemberId, ParkedDocuments};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::progress::{Parked, Progress};
use super::projection::Projection;
use super::status::{PartitionOwner, PartitionStatus, ProjectionState, StopReason};
use crate::error::ProjectionError;
use crate::runner::{Runner, Standing, State};
use crate::sharing::Tenure;

/// Why a runner is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// For good.
    Stop,
    /// For the swap of a rebuild.
    Pause,
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) number: u16,
    pub(crate) progress: watch::Sender<Progress>,
    /// Something may have been marked for replay.
    pub(crate) replays: Notify,
    tenure: watch::Sender<Tenure>,
}

#[derive(Debug)]
pub(super) struct RunnerTask {
    stop: watch::Sender<Option<Ending>>,
    join: JoinHandle<()>,
}

impl RunnerTask {
    pub(super) fn start(projection: &Arc<Projection>, partition: &Arc<Partition>) -> Self {
        partition.progress.send_modify(|now| {
            now.state = ProjectionState::Starting;
            now.working = false;
        });
        let (stop, stopped) = watch::channel(None);
        let runner = Runner::new(Arc::clone(projection), Arc::clone(partition), stopped);
        Self { stop, join: tokio::spawn(runner.run()) }
    }

    pub(super) fn is_over(&self) -> bool {
        self.join.is_finished()
    }

    pub(super) fn ask(&self, ending: Ending) {
        self.stop.send_replace(Some(ending));
    }

    pub(super) async fn ended(self) {
        let _ = self.join.await;
    }

    pub(super) fn abort(self) {
        self.join.abort();
    }
}

impl Partition {
    pub(super) fn new(number: u16, tenure: Tenure) -> Self {
        Self {
            number,
            progress: watch::Sender::new(Progress::new()),
            replays: Notify::new(),
            tenure: watch::Sender::new(tenure),
        }
    }

    /// Waits until the runner has tried to start once, if it has anything to start.
    pub(super) async fn tried(&self) {
        let mut progress = self.progress.subscribe();
        let starts = |state| match state {
            ProjectionState::Starting => true,
            ProjectionState::Waiting => self.is_mine(),
            _ => false,
        };
        let _ = progress.wait_for(|now| !starts(now.state)).await;
    }

    /// Whether this process writes it.
    pub(crate) fn is_mine(&self) -> bool {
        self.tenure.borrow().holds()
    }

    pub(crate) fn tenure(&self) -> watch::Receiver<Tenure> {
        self.tenure.subscribe()
    }

    /// Makes it this process's for so long.
    pub(crate) fn give(&self, tenure: Tenure) {
        self.tenure.send_if_modified(|now| std::mem::replace(now, tenure) != tenure);
    }

    /// Whether its runner is doing nothing.
    pub(crate) fn is_idle(&self) -> bool {
        !self.progress.borrow().working
    }

    /// Its checkpoint in the sink, where another process writes it.
    pub(crate) fn seen(&self, generation: Generation, position: GlobalPosition) {
        self.progress.send_if_modified(|now| !self.is_mine() && now.seen(generation, position));
    }

    pub(super) fn status(&self, holder: Option<&MemberId>) -> PartitionStatus {
        let now = self.progress.borrow().clone();
        let owner = match holder {
            _ if self.is_mine() => PartitionOwner::ThisProcess,
            Some(other) => PartitionOwner::Other(other.clone()),
            None => PartitionOwner::Nobody,
        };
        PartitionStatus {
            partition: self.number,
            owner,
            state: now.state,
            generation: now.generation,
            position: now.position,
            lag: None,
            behind: None,
            rate: now.rate.per_second(Instant::now()),
            error: now.error,
            attempts: now.attempts,
            retries: now.retries,
            parked: if self.is_mine() { now.parked.documents } else { 0 },
        }
    }

    /// Tells whether the sink has lost documents that it had acknowledged.
    pub(crate) fn started(&self, generation: Generation, standing: &Standing) -> bool {
        let (position, head, mut lost) = (standing.position, standing.head.position, false);
        self.progress.send_modify(|now| lost = now.started(generation, position, head));
        lost
    }

    /// Until the runner has started again, nothing counts as reached.
    pub(super) fn doubted(&self) {
        self.progress.send_modify(|now| now.doubted = true);
    }

    /// So much is parked.
    pub(crate) fn parked(&self, parked: &ParkedDocuments) {
        let now = Parked { documents: parked.documents.len() as u64, without_document: parked.without_document };
        self.progress.send_if_modified(|progress| std::mem::replace(&mut progress.parked, now) != now);
    }

    pub(crate) fn stored(&self, position: GlobalPosition) {
        self.progress.send_if_modified(|now| std::mem::replace(&mut now.stored, position) != position);
    }

    /// So many events were read and folded.
    pub(crate) fn folded(&self, events: usize) {
        let now = Instant::now();
        self.progress.send_if_modified(|progress| {
            progress.rate.add(events, now);
            false
        });
    }

    pub(crate) fn advanced(&self, position: GlobalPosition) {
        self.progress.send_modify(|now| now.advanced(position));
    }

    pub(crate) fn publish(&self, state: State, attempts: u32, error: Option<&ProjectionError>, ending: Option<Ending>) {
        let working = !matches!(state, State::Waiting | State::Stopped(_));
        let state = match state {
            State::Waiting => ProjectionState::Waiting,
            State::HeldBack => ProjectionState::Swapping,
            State::Starting => ProjectionState::Starting,
            State::CatchingUp => ProjectionState::CatchingUp,
            State::Live => ProjectionState::Live,
            State::Retrying { after } => ProjectionState::Retrying { after },
            State::Stopped(StopReason::Requested) if ending == Some(Ending::Pause) => ProjectionState::Swapping,
            State::Stopped(reason) => ProjectionState::Stopped(reason),
        };
        self.progress.send_modify(|now| {
            now.state = state;
            now.working = working;
            now.retries += u64::from(attempts > now.attempts && !matches!(state, ProjectionState::Stopped(_)));
            now.attempts = attempts;
            if let Some(error) = error {
                now.error = Some(error.clone());
            }
        });
    }

    /// The runner's task ended without coming to its end.
    pub(crate) fn aborted(&self) {
        self.progress.send_modify(|now| {
            now.working = false;
            if !matches!(now.state, ProjectionState::Stopped(_)) {
                now.state = ProjectionState::Stopped(StopReason::Failed);
                now.error = Some(ProjectionError::Aborted);
            }
        });
    }

    /// There is nothing to run as long as the read model does not open.
    pub(super) fn unopened(&self, error: &ProjectionError, attempts: u32, retry: Option<Duration>) {
        self.progress.send_modify(|now| {
            now.state = match retry {
                Some(after) => ProjectionState::Retrying { after },
                None => ProjectionState::Stopped(StopReason::Failed),
            };
            now.retries += u64::from(retry.is_some());
            now.attempts = attempts;
            now.error = Some(error.clone());
        });
    }

    /// Nothing runs any more.
    pub(super) fn stopped(&self) {
        self.progress.send_modify(|now| {
            if !matches!(now.state, ProjectionState::Stopped(_)) {
                now.state = ProjectionState::Stopped(StopReason::Requested);
            }
        });
    }
}
