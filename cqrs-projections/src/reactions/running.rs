//! Reactors that run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{EventStore, GlobalPosition, ProjectionName};
use futures::future::{join_all, try_join_all};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::reaction::Reaction;
use super::status::{Progress, ReactionStatus};
use crate::supervisor::{Lagging, ProjectionState, StopReason, WaitError};

/// How long starting waits for the first attempt of each.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// Reactors that run until they are stopped, or this is dropped: then all ends at once, perhaps in the middle of a reaction,
/// and leases run out by themselves.
pub struct RunningReactions {
    store: Arc<dyn EventStore>,
    reactions: Vec<RunningReaction>,
    stop: watch::Sender<bool>,
}

struct RunningReaction {
    name: ProjectionName,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

impl RunningReactions {
    pub(super) async fn start(store: Arc<dyn EventStore>, reactions: Vec<Reaction>) -> Self {
        let stop = watch::Sender::new(false);
        let start = |reaction: Reaction| {
            let (sender, progress) = watch::channel(Progress::new());
            let name = reaction.name.clone();
            RunningReaction { name, progress, task: tokio::spawn(reaction.run(sender, stop.subscribe())) }
        };
        let reactions: Vec<_> = reactions.into_iter().map(start).collect();
        let tried = join_all(reactions.iter().map(|one| async move {
            let _ = one.progress.clone().wait_for(|now| now.state != ProjectionState::Starting).await;
        }));
        let _ = tokio::time::timeout(FIRST_ATTEMPT, tried).await;
        Self { store, reactions, stop }
    }

    /// Where each stands, in the order in which they were added.
    pub async fn status(&self) -> Vec<ReactionStatus> {
        let head = self.store.head().await.ok().map(|head| head.position);
        self.reactions.iter().map(|one| one.progress.borrow().status(&one.name, head)).collect()
    }

    /// Waits until every reactor of this process has done all that is to do about the log up to `position`. What other
    /// processes do is not seen here.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] names those that lag, [`WaitError::Stopped`] the first that has stopped before `position`.
    pub async fn wait_for(&self, position: GlobalPosition, timeout: Duration) -> Result<(), WaitError> {
        let all = try_join_all(self.reactions.iter().map(|one| one.reached(position)));
        let Ok(reached) = tokio::time::timeout(timeout, all).await else {
            let at = |one: &RunningReaction| Lagging { name: one.name.clone(), at: one.progress.borrow().position };
            let lagging = self.reactions.iter().map(at).filter(|one| one.at < position).collect();
            return Err(WaitError::Timeout { position, lagging });
        };
        reached.map(drop)
    }

    /// Stops all. Each finishes the event that it is reacting to and gives its lease back.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for reaction in &mut self.reactions {
            let _ = (&mut reaction.task).await;
        }
    }
}

impl RunningReaction {
    async fn reached(&self, position: GlobalPosition) -> Result<(), WaitError> {
        let mut progress = self.progress.clone();
        let over = |now: &Progress| now.position >= position || matches!(now.state, ProjectionState::Stopped(_));
        let Ok(seen) = progress.wait_for(over).await.map(|seen| seen.clone()) else {
            let at = self.progress.borrow().position;
            return Err(WaitError::Stopped { name: self.name.clone(), at, source: None });
        };
        match seen.state {
            _ if seen.position >= position => Ok(()),
            state => {
                let failed = state == ProjectionState::Stopped(StopReason::Failed);
                let source = seen.error.filter(|_| failed);
                Err(WaitError::Stopped { name: self.name.clone(), at: seen.position, source })
            }
        }
    }
}

impl Drop for RunningReactions {
    fn drop(&mut self) {
        self.reactions.iter().for_each(|one| one.task.abort());
    }
}

impl fmt::Debug for RunningReactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.reactions.iter().map(|one| &one.name).collect();
        f.debug_struct("RunningReactions").field("names", &names).finish_non_exhaustive()
    }
}
