//! One projection: what it is made of, its tasks, and where it stands.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cqrs_core::{EventStore, Generation, GlobalPosition, Partitions, ProjectionName, ReadModel, Target};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::partition::{Ending, Partition, RunnerTask};
use super::status::{ProjectionState, ProjectionStatus, StopReason};
use crate::batch::Fold;
use crate::error_policy::ErrorPolicy;

pub(crate) struct Projection {
    pub(crate) name: ProjectionName,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) count: Partitions,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) model: Arc<dyn ReadModel>,
    pub(crate) policy: Arc<dyn ErrorPolicy>,
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// Held by the rebuild that is running.
    pub(crate) rebuild: Arc<tokio::sync::Mutex<()>>,
    pub(crate) rebuilding: AtomicBool,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    /// By partition.
    runners: Vec<Option<RunnerTask>>,
    rebuild: Option<RebuildTask>,
    closed: bool,
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
        count: Partitions,
        store: Arc<dyn EventStore>,
        model: Arc<dyn ReadModel>,
        policy: Arc<dyn ErrorPolicy>,
    ) -> Self {
        Self {
            name,
            fold,
            count,
            store,
            model,
            policy,
            partitions: count.all().map(|number| Arc::new(Partition::new(number))).collect(),
            rebuild: Arc::default(),
            rebuilding: AtomicBool::new(false),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn target(&self, generation: Generation, partition: u16) -> Target {
        Target { projection: self.name.clone(), generation, partition }
    }

    /// Starts the runners of all partitions that have none, unless the projection was closed.
    pub(crate) fn resume(self: &Arc<Self>) {
        self.resume_if(|_| true);
    }

    /// Starts the runners of some partitions.
    pub(crate) fn resume_if(self: &Arc<Self>, wanted: impl Fn(u16) -> bool) {
        let mut tasks = self.tasks();
        if tasks.closed {
            return;
        }
        tasks.runners.resize_with(self.partitions.len(), || None);
        for (runner, partition) in tasks.runners.iter_mut().zip(&self.partitions) {
            if wanted(partition.number) {
                *runner = Some(RunnerTask::start(self, partition));
            }
        }
    }

    /// Ends all runners; each finishes its batch. Gives those back that were running until then.
    pub(crate) async fn end(&self, ending: Ending) -> Vec<u16> {
        let tasks = std::mem::take(&mut self.tasks().runners);
        let runners: Vec<_> =
            self.partitions.iter().zip(tasks).filter_map(|(partition, task)| Some((partition, task?))).collect();
        runners.iter().for_each(|(_, task)| task.ask(ending));
        let mut running = Vec::new();
        for (partition, task) in runners {
            task.ended().await;
            let ended = match ending {
                Ending::Pause => ProjectionState::Swapping,
                Ending::Stop => ProjectionState::Stopped(StopReason::Requested),
            };
            if partition.progress.borrow().state == ended {
                running.push(partition.number);
            }
        }
        running
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

    /// Cancels a rebuild, waits until it has cleaned up, and stops the runners.
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
        tasks.runners.drain(..).flatten().for_each(RunnerTask::abort);
        drop(tasks);
        self.stopped();
    }

    /// Waits until each runner has tried to start once.
    pub(crate) async fn tried(&self) {
        futures::future::join_all(self.partitions.iter().map(|partition| partition.tried())).await;
    }

    /// Everything up to here is in the documents.
    pub(crate) fn position(&self) -> GlobalPosition {
        let positions = self.partitions.iter().map(|partition| partition.progress.borrow().position);
        positions.min().unwrap_or(GlobalPosition::START)
    }

    pub(crate) fn status(&self, head: Option<GlobalPosition>) -> ProjectionStatus {
        let partitions = self.partitions.iter().map(|partition| partition.status(head)).collect();
        ProjectionStatus::new(self.name.clone(), partitions, head, self.rebuilding.load(Ordering::Relaxed))
    }

    /// Nothing runs any more.
    fn stopped(&self) {
        self.partitions.iter().for_each(|partition| partition.stopped());
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        // Each change of it is one assignment.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").field("name", &self.name).field("partitions", &self.partitions).finish()
    }
}
