//! One projection: what it is made of, its tasks, and what is known about it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::{EventStore, Generation, GlobalPosition, ProjectionName, ReadModel};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::status::{Progress, ProjectionState, ProjectionStatus, StopReason};
use crate::batch::Fold;
use crate::error::ProjectionError;
use crate::error_policy::ErrorPolicy;
use crate::runner::{Runner, Standing, State};

/// The partition that holds all documents.
pub(crate) const PARTITION: u16 = 0;

/// Why a runner is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// For good.
    Stop,
    /// For the swap of a rebuild.
    Pause,
}

pub(crate) struct Projection {
    pub(crate) name: ProjectionName,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) model: Arc<dyn ReadModel>,
    pub(crate) policy: Arc<dyn ErrorPolicy>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Held by the rebuild that is running.
    pub(crate) rebuild: Arc<tokio::sync::Mutex<()>>,
    pub(crate) rebuilding: AtomicBool,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    runner: Option<RunnerTask>,
    rebuild: Option<RebuildTask>,
    closed: bool,
}

#[derive(Debug)]
struct RunnerTask {
    stop: watch::Sender<Option<Ending>>,
    join: JoinHandle<()>,
}

#[derive(Debug)]
struct RebuildTask {
    cancel: Arc<watch::Sender<bool>>,
    abort: AbortHandle,
}

impl Projection {
    pub(crate) fn new(
        name: ProjectionName,
        fold: Arc<dyn Fold>,
        store: Arc<dyn EventStore>,
        model: Arc<dyn ReadModel>,
        policy: Arc<dyn ErrorPolicy>,
    ) -> Self {
        Self {
            name,
            fold,
            store,
            model,
            policy,
            progress: watch::Sender::new(Progress::new()),
            rebuild: Arc::default(),
            rebuilding: AtomicBool::new(false),
            tasks: Mutex::default(),
        }
    }

    /// Starts the runner, unless the projection was closed.
    pub(crate) fn resume(self: &Arc<Self>) {
        let mut tasks = self.tasks();
        if !tasks.closed {
            self.progress.send_modify(|now| now.state = ProjectionState::Starting);
            let (stop, stopped) = watch::channel(None);
            let join = tokio::spawn(Runner::new(Arc::clone(self), stopped).run());
            tasks.runner = Some(RunnerTask { stop, join });
        }
    }

    /// Ends the runner; it finishes its batch. Tells whether it was running until then.
    pub(crate) async fn end(&self, ending: Ending) -> bool {
        let Some(RunnerTask { stop, join }) = self.tasks().runner.take() else {
            return false;
        };
        stop.send_replace(Some(ending));
        let _ = join.await;
        let state = self.progress.borrow().state;
        match ending {
            Ending::Pause => state == ProjectionState::Swapping,
            Ending::Stop => state == ProjectionState::Stopped(StopReason::Requested),
        }
    }

    /// Registers the task of a rebuild. `false` when the projection was closed.
    pub(crate) fn rebuilds(&self, cancel: Arc<watch::Sender<bool>>, abort: AbortHandle) -> bool {
        let mut tasks = self.tasks();
        if tasks.closed {
            abort.abort();
        }
        tasks.rebuild = Some(RebuildTask { cancel, abort });
        !tasks.closed
    }

    /// Whether the rebuild that is running was cancelled.
    pub(crate) fn rebuild_is_cancelled(&self) -> bool {
        self.tasks().rebuild.as_ref().is_some_and(|rebuild| *rebuild.cancel.borrow())
    }

    /// Cancels a rebuild, waits until it has cleaned up, and stops the runner.
    pub(crate) async fn stop(&self) {
        let rebuild = {
            let mut tasks = self.tasks();
            tasks.closed = true;
            tasks.rebuild.take()
        };
        if let Some(rebuild) = rebuild {
            rebuild.cancel.send_replace(true);
        }
        let _cleaned = self.rebuild.lock().await;
        self.end(Ending::Stop).await;
        self.stopped();
    }

    /// Ends everything at once.
    pub(crate) fn close(&self) {
        let mut tasks = self.tasks();
        tasks.closed = true;
        if let Some(rebuild) = tasks.rebuild.take() {
            rebuild.abort.abort();
        }
        if let Some(runner) = tasks.runner.take() {
            runner.join.abort();
        }
        drop(tasks);
        self.stopped();
    }

    /// Waits until the runner has tried to start once.
    pub(crate) async fn tried(&self) {
        let mut progress = self.progress.subscribe();
        let _ = progress.wait_for(|now| now.state != ProjectionState::Starting).await;
    }

    pub(crate) fn position(&self) -> GlobalPosition {
        self.progress.borrow().position
    }

    pub(crate) fn status(&self, head: Option<GlobalPosition>) -> ProjectionStatus {
        let now = self.progress.borrow().clone();
        ProjectionStatus {
            name: self.name.clone(),
            state: now.state,
            generation: now.generation,
            position: now.position,
            head,
            lag: head.map(|head| head.get().saturating_sub(now.position.get())),
            error: now.error,
            attempts: now.attempts,
            rebuilding: self.rebuilding.load(Ordering::Relaxed),
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
    fn stopped(&self) {
        self.progress.send_modify(|now| {
            if !matches!(now.state, ProjectionState::Stopped(_)) {
                now.state = ProjectionState::Stopped(StopReason::Requested);
            }
        });
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        // Each change of it is one assignment.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").field("name", &self.name).field("progress", &*self.progress.borrow()).finish()
    }
}
