//! One projection: what it is made of, its tasks, and where it stands.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cqrs_core::{
    DeadLetterCount, DeadLetterStore, EventStore, Generation, GlobalPosition, Head, MemberId, Partitions,
    ProjectionName, ReadModel, Target,
};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::lag;
use super::partition::{Ending, Partition, RunnerTask};
use super::replays::watch_replays;
use super::status::{ProjectionState, ProjectionStatus, StopReason};
use super::waits::Waits;
use crate::batch::Fold;
use crate::batches::Batches;
use crate::breaker::{Breaker, CircuitBreaker, WatchedModel};
use crate::error::ProjectionError;
use crate::error_policy::ErrorPolicy;
use crate::sharing::{Share, Sharing, Tenure, follow_others, look_at_others};

/// How long a status waits for what the store or the sink is to tell.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What all projections have in common that are started together.
pub(crate) struct Common {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) policy: Arc<dyn ErrorPolicy>,
    pub(crate) letters: Option<Arc<dyn DeadLetterStore>>,
    pub(crate) breaker: CircuitBreaker,
    pub(crate) sharing: Option<Sharing>,
}

pub(crate) struct Projection {
    pub(crate) name: ProjectionName,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) count: Partitions,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) model: Arc<dyn ReadModel>,
    pub(crate) policy: Arc<dyn ErrorPolicy>,
    /// What its runners write together.
    pub(crate) batches: Batches,
    pub(crate) partitions: Vec<Arc<Partition>>,
    /// Where dead letters are kept; `None` when there are to be none.
    pub(crate) letters: Option<Arc<dyn DeadLetterStore>>,
    /// Whether the read model answers.
    pub(crate) breaker: Arc<Breaker>,
    /// Dead letters may have been marked for replay.
    pub(crate) marked: Notify,
    /// With whom the partitions are shared; `None` when all are this process's.
    pub(crate) sharing: Option<Sharing>,
    /// Where they are shared: the live generation that was opened, who writes which partition as far as was seen, and
    /// whether anything was seen yet.
    pub(crate) live: watch::Sender<Option<Generation>>,
    pub(crate) holders: watch::Sender<BTreeMap<u16, MemberId>>,
    pub(crate) looked: watch::Sender<bool>,
    /// Something has changed that the sharing is to look at.
    pub(crate) changed: Notify,
    /// Changes when the sink is not as one of the runners has left it.
    pub(crate) doubts: watch::Sender<()>,
    /// The positions that are waited for.
    pub(crate) waiting: watch::Sender<Waits>,
    /// Held by the rebuild that is running.
    pub(crate) rebuild: Arc<tokio::sync::Mutex<()>>,
    pub(crate) rebuilding: AtomicBool,
    /// Up to where the documents of which generation can be searched. Held while the read model is asked to make it so.
    pub(super) searchable: tokio::sync::Mutex<(Option<Generation>, GlobalPosition)>,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    /// By partition.
    runners: Vec<Option<RunnerTask>>,
    rebuild: Option<RebuildTask>,
    share: Option<ShareTask>,
    replays: Option<AbortOnDrop>,
    closed: bool,
}

#[derive(Debug)]
struct ShareTask {
    stop: watch::Sender<bool>,
    share: JoinHandle<()>,
    follow_others: JoinHandle<()>,
}

/// A task that ends with it.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
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
        model: Arc<dyn ReadModel>,
        batches: Batches,
        common: &Common,
    ) -> Self {
        let Common { store, policy, letters, breaker, sharing } = common;
        let tenure = if sharing.is_some() { Tenure::None } else { Tenure::Always };
        let breaker = Arc::new(Breaker::new(*breaker));
        Self {
            name,
            fold,
            count,
            store: Arc::clone(store),
            model: Arc::new(WatchedModel::new(model, Arc::clone(&breaker))),
            policy: Arc::clone(policy),
            batches,
            partitions: count.all().map(|number| Arc::new(Partition::new(number, tenure))).collect(),
            letters: letters.clone(),
            breaker,
            marked: Notify::new(),
            sharing: sharing.clone(),
            live: watch::Sender::default(),
            holders: watch::Sender::default(),
            looked: watch::Sender::default(),
            changed: Notify::new(),
            doubts: watch::Sender::default(),
            waiting: watch::Sender::default(),
            rebuild: Arc::default(),
            rebuilding: AtomicBool::new(false),
            searchable: tokio::sync::Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn target(&self, generation: Generation, partition: u16) -> Target {
        Target { projection: self.name.clone(), generation, partition }
    }

    /// Starts the runners, or the sharing that starts them.
    pub(crate) fn start(self: &Arc<Self>) {
        if self.letters.is_some() {
            self.tasks().replays = Some(AbortOnDrop(tokio::spawn(watch_replays(Arc::clone(self)))));
        }
        let Some(sharing) = &self.sharing else {
            return self.resume();
        };
        let (stop, stopped) = watch::channel(false);
        let share = tokio::spawn(Share::new(Arc::clone(self), sharing.clone()).run(stopped));
        let follow_others = tokio::spawn(follow_others(Arc::clone(self)));
        self.tasks().share = Some(ShareTask { stop, share, follow_others });
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
            if wanted(partition.number) && runner.as_ref().is_none_or(RunnerTask::is_over) {
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

    /// Whether it was stopped, or everything around it was dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.tasks().closed
    }

    /// Cancels a rebuild, waits until it has cleaned up, and stops the runners.
    pub(crate) async fn stop(&self) {
        let rebuild = {
            let mut tasks = self.tasks();
            tasks.closed = true;
            tasks.replays = None;
            tasks.rebuild.take()
        };
        if let Some(rebuild) = rebuild {
            rebuild.cancel.send_replace(true);
        }
        let _cleaned = self.rebuild.lock().await;
        self.end(Ending::Stop).await;
        // Until now the leases were kept.
        let share = self.tasks().share.take();
        if let Some(ShareTask { stop, share, follow_others }) = share {
            follow_others.abort();
            stop.send_replace(true);
            let _ = share.await;
        }
        self.stopped();
    }

    /// Ends everything at once.
    pub(crate) fn close(&self) {
        let mut tasks = self.tasks();
        tasks.closed = true;
        tasks.replays = None;
        if let Some(rebuild) = tasks.rebuild.take() {
            rebuild.abort.abort();
        }
        if let Some(ShareTask { share, follow_others, .. }) = tasks.share.take() {
            share.abort();
            follow_others.abort();
        }
        tasks.runners.drain(..).flatten().for_each(RunnerTask::abort);
        drop(tasks);
        self.stopped();
    }

    /// Waits until each runner has tried to start once.
    pub(crate) async fn tried(&self) {
        if self.sharing.is_some() {
            let _ = self.looked.subscribe().wait_for(|looked| *looked).await;
        }
        futures::future::join_all(self.partitions.iter().map(|partition| partition.tried())).await;
    }

    /// The sink is not as it was left. Until they have looked again, nothing counts as reached of what the runners here write.
    pub(crate) fn doubt(&self) {
        self.partitions.iter().filter(|partition| partition.is_mine()).for_each(|partition| partition.doubted());
        self.doubts.send_replace(());
    }

    /// Everything up to here is in the documents.
    pub(crate) fn position(&self) -> GlobalPosition {
        let positions = self.partitions.iter().map(|partition| partition.progress.borrow().reached());
        positions.min().unwrap_or(GlobalPosition::START)
    }

    /// The generation of which that is said.
    pub(super) fn generation(&self) -> Option<Generation> {
        self.partitions.iter().filter_map(|partition| partition.progress.borrow().generation).min()
    }

    pub(crate) async fn status(&self, head: Option<&Head>) -> ProjectionStatus {
        if self.sharing.is_some() {
            // What is not answered in time is as it was seen before.
            let _ = tokio::time::timeout(LOOK, look_at_others(self)).await;
        }
        let holders = self.holders.borrow().clone();
        let of = |partition: &Arc<Partition>| partition.status(holders.get(&partition.number));
        let mut partitions: Vec<_> = self.partitions.iter().map(of).collect();
        let _ = tokio::time::timeout(LOOK, lag::measure(&*self.store, head, &mut partitions)).await;
        let head = head.map(|head| head.position);
        let (rebuilding, letters) = (self.rebuilding.load(Ordering::Relaxed), self.dead_letters().await);
        ProjectionStatus::new(self.name.clone(), partitions, head, rebuilding, self.breaker.state(), letters)
    }

    /// How many dead letters of the live generation wait; `None` where it cannot be found out.
    pub(super) async fn dead_letters(&self) -> Option<DeadLetterCount> {
        let store = self.letters.as_ref()?;
        let generation = self.generation()?;
        tokio::time::timeout(LOOK, store.count(&self.name, generation)).await.ok()?.ok()
    }

    /// There is nothing to run as long as the read model does not open.
    pub(crate) fn unopened(&self, error: &ProjectionError, attempts: u32, retry: Option<Duration>) {
        self.partitions.iter().for_each(|partition| partition.unopened(error, attempts, retry));
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
