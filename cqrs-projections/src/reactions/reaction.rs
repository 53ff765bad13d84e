//! One reactor: takes its lease and its checkpoint, follows the log, tries again.

use std::sync::Arc;

use cqrs_core::{
    Checkpoint, CheckpointStore, EventStore, FencingToken, Filter, Generation, GlobalPosition, Lease, LogPage,
    ProjectionName, StoreError, Target,
};
use tokio::sync::watch;

use super::react::React;
use super::status::Progress;
use crate::error::{ErrorClass, ProjectionError};
use crate::error_policy::{ErrorDecision, ErrorPolicy};
use crate::runner::{event_at, verify};
use crate::sharing::{Kept, Sharing};
use crate::supervisor::{ProjectionState, StopReason};

/// How far the checkpoint may stay behind what was read while no event is for this reactor.
const UNSTORED_POSITIONS: u64 = 10_000;

/// Where a reactor begins that has no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    AtTheBeginning,
    AtTheEnd,
}

pub(super) struct Reaction {
    pub(super) name: ProjectionName,
    pub(super) react: Arc<dyn React>,
    pub(super) begin: Begin,
    pub(super) store: Arc<dyn EventStore>,
    pub(super) checkpoints: Arc<dyn CheckpointStore>,
    pub(super) policy: Arc<dyn ErrorPolicy>,
    /// With whom it is shared; `None` when it is this process's.
    pub(super) sharing: Option<Sharing>,
}

/// Why the log is not followed any more.
enum Ended {
    Stopped,
    /// Another process runs it.
    Replaced,
    Failed(ProjectionError),
}

impl From<ProjectionError> for Ended {
    fn from(error: ProjectionError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Set once it is to end.
pub(super) type Stop = watch::Receiver<bool>;

impl Reaction {
    pub(super) async fn run(self, progress: watch::Sender<Progress>, mut stop: Stop) {
        let mut attempts = 0;
        loop {
            let Some(kept) = self.lease(&progress, &mut stop).await else {
                break;
            };
            let before = progress.borrow().done;
            let ended = self.follow(kept.as_ref(), &progress, &mut stop).await;
            if let Some(kept) = kept {
                kept.give_back().await;
            }
            if progress.borrow().done > before {
                attempts = 0;
            }
            match ended {
                Ended::Stopped => break,
                Ended::Replaced => {}
                Ended::Failed(error) => {
                    attempts += 1;
                    let Some(after) = self.retry(&error, attempts) else {
                        progress.send_modify(|now| now.failed(ProjectionState::Stopped(StopReason::Failed), error));
                        return;
                    };
                    progress.send_modify(|now| now.failed(ProjectionState::Retrying { after }, error));
                    if unless_stopped(&mut stop, tokio::time::sleep(after)).await.is_none() {
                        break;
                    }
                }
            }
        }
        progress.send_modify(|now| now.state = ProjectionState::Stopped(StopReason::Requested));
    }

    fn retry(&self, error: &ProjectionError, attempt: u32) -> Option<std::time::Duration> {
        tracing::warn!(reactor = %self.name, %error, attempt, "reactor failed");
        if error.class() == ErrorClass::Fatal {
            return None;
        }
        match self.policy.decide(error, attempt) {
            ErrorDecision::Retry { after } => Some(after),
            _ => None,
        }
    }

    /// The right to run it, where it is shared; `None` when it is to end.
    async fn lease(&self, progress: &watch::Sender<Progress>, stop: &mut Stop) -> Option<Option<Kept>> {
        let Some(sharing) = &self.sharing else {
            return (!*stop.borrow()).then_some(None);
        };
        loop {
            let taken = unless_stopped(stop, Kept::take(sharing, &self.name, Lease::Partition(0))).await?;
            match taken {
                Ok(Some(kept)) => return Some(Some(kept)),
                Ok(None) => {}
                Err(error) => tracing::warn!(reactor = %self.name, %error, "the lease cannot be taken"),
            }
            progress.send_modify(|now| now.state = ProjectionState::Waiting);
            unless_stopped(stop, tokio::time::sleep(sharing.interval())).await?;
        }
    }

    async fn follow(&self, kept: Option<&Kept>, progress: &watch::Sender<Progress>, stop: &mut Stop) -> Ended {
        progress.send_modify(|now| now.state = ProjectionState::Starting);
        match self.follow_on(kept, progress, stop).await {
            Err(Ended::Failed(ProjectionError::Store(StoreError::Fenced { .. }))) if kept.is_some() => Ended::Replaced,
            Err(ended) => ended,
            Ok(never) => match never {},
        }
    }

    async fn follow_on(
        &self,
        kept: Option<&Kept>,
        progress: &watch::Sender<Progress>,
        stop: &mut Stop,
    ) -> Result<std::convert::Infallible, Ended> {
        let mut checkpoint = self.take_over().await?;
        progress.send_modify(|now| now.started(checkpoint.position));
        let filter = Filter::EventTypes(self.react.event_types());
        let mut subscription = self.store.subscribe(checkpoint.position, filter).await?;
        loop {
            let next = async {
                tokio::select! {
                    biased;
                    () = lost(kept) => Err(Ended::Replaced),
                    page = subscription.next() => Ok(page?),
                }
            };
            let LogPage { events, scanned_to, more } = unless_stopped(stop, next).await.ok_or(Ended::Stopped)??;
            for event in events {
                if *stop.borrow() {
                    return Err(Ended::Stopped);
                }
                if kept.is_some_and(|kept| !kept.holds()) {
                    return Err(Ended::Replaced);
                }
                let (position, id) = (event.position, event.id);
                self.react.react(event).await?;
                checkpoint = Checkpoint { position, event_id: Some(id), ..checkpoint };
                self.checkpoints.save(&self.name, checkpoint).await?;
                progress.send_modify(|now| now.advanced(position, 1));
            }
            if scanned_to.get() >= checkpoint.position.get() + UNSTORED_POSITIONS
                && let Some(event_id) = event_at(&*self.store, scanned_to).await?
            {
                checkpoint = Checkpoint { position: scanned_to, event_id: Some(event_id), ..checkpoint };
                self.checkpoints.save(&self.name, checkpoint).await?;
            }
            progress.send_modify(|now| {
                now.advanced(scanned_to, 0);
                now.state = if more { ProjectionState::CatchingUp } else { ProjectionState::Live };
            });
        }
    }

    /// Verifies the checkpoint and stores a newer token with it: whoever ran the reactor before can move it no more.
    async fn take_over(&self) -> Result<Checkpoint, Ended> {
        let stored = self.checkpoints.load(&self.name).await?;
        // A reactor has one partition of one generation.
        let target = Target { projection: self.name.clone(), generation: Generation::FIRST, partition: 0 };
        let standing = verify(&self.store, &target, stored).await?;
        let (position, event_id) = match (stored, self.begin) {
            (Some(stored), _) => (stored.position, stored.event_id),
            (None, Begin::AtTheBeginning) => (GlobalPosition::START, None),
            (None, Begin::AtTheEnd) => (standing.head.position, standing.head.event_id),
        };
        let token = FencingToken::after(stored.map(|stored| stored.token));
        let store_id = standing.head.store_id;
        let checkpoint = Checkpoint { store_id, position, event_id, generation: Generation::FIRST, token };
        self.checkpoints.save(&self.name, checkpoint).await?;
        Ok(checkpoint)
    }
}

async fn lost(kept: Option<&Kept>) {
    match kept {
        Some(kept) => kept.lost().await,
        None => std::future::pending().await,
    }
}

async fn unless_stopped<T>(stop: &mut Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => None,
        done = work => Some(done),
    }
}
