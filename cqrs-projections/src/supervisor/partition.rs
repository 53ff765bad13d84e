//! One partition of a projection: its runner's task, and what is known about it.

use std::sync::Arc;

use cqrs_core::{Generation, GlobalPosition};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::progress::Progress;
use super::projection::Projection;
use super::status::{PartitionStatus, ProjectionState, StopReason};
use crate::error::ProjectionError;
use crate::runner::{Runner, Standing, State};

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
}

#[derive(Debug)]
pub(super) struct RunnerTask {
    stop: watch::Sender<Option<Ending>>,
    join: JoinHandle<()>,
}

impl RunnerTask {
    pub(super) fn start(projection: &Arc<Projection>, partition: &Arc<Partition>) -> Self {
        partition.progress.send_modify(|now| now.state = ProjectionState::Starting);
        let (stop, stopped) = watch::channel(None);
        let runner = Runner::new(Arc::clone(projection), Arc::clone(partition), stopped);
        Self { stop, join: tokio::spawn(runner.run()) }
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
    pub(super) fn new(number: u16) -> Self {
        Self { number, progress: watch::Sender::new(Progress::new()) }
    }

    /// Waits until the runner has tried to start once.
    pub(super) async fn tried(&self) {
        let mut progress = self.progress.subscribe();
        let _ = progress.wait_for(|now| now.state != ProjectionState::Starting).await;
    }

    pub(super) fn status(&self, head: Option<GlobalPosition>) -> PartitionStatus {
        let now = self.progress.borrow().clone();
        PartitionStatus {
            partition: self.number,
            state: now.state,
            generation: now.generation,
            position: now.position,
            lag: head.map(|head| head.get().saturating_sub(now.position.get())),
            error: now.error,
            attempts: now.attempts,
        }
    }

    pub(crate) fn started(&self, generation: Generation, standing: &Standing) {
        let (position, head) = (standing.position, standing.head.position);
        self.progress.send_modify(|now| now.started(generation, position, head));
    }

    pub(crate) fn stored(&self, position: GlobalPosition) {
        self.progress.send_if_modified(|now| std::mem::replace(&mut now.stored, position) != position);
    }

    pub(crate) fn advanced(&self, position: GlobalPosition) {
        self.progress.send_modify(|now| now.advanced(position));
    }

    pub(crate) fn publish(&self, state: State, attempts: u32, error: Option<&ProjectionError>, ending: Option<Ending>) {
        let state = match state {
            State::Starting => ProjectionState::Starting,
            State::CatchingUp => ProjectionState::CatchingUp,
            State::Live => ProjectionState::Live,
            State::Retrying { after } => ProjectionState::Retrying { after },
            State::Stopped(StopReason::Requested) if ending == Some(Ending::Pause) => ProjectionState::Swapping,
            State::Stopped(reason) => ProjectionState::Stopped(reason),
        };
        self.progress.send_modify(|now| {
            now.state = state;
            now.attempts = attempts;
            if let Some(error) = error {
                now.error = Some(error.clone());
            }
        });
    }

    /// The runner's task ended without coming to its end.
    pub(crate) fn aborted(&self) {
        self.progress.send_modify(|now| {
            if !matches!(now.state, ProjectionState::Stopped(_)) {
                now.state = ProjectionState::Stopped(StopReason::Failed);
                now.error = Some(ProjectionError::Aborted);
            }
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
