//! The runner: follows the log and keeps one partition of a projection's live generation up to date with it.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{GlobalPosition, LogPage, ReadModelError, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

mod cache;
mod folding_ahead;
mod following;
mod gathering;
mod letters;
mod machine;
mod owner;
mod refusal;
mod replay;
mod writer;

pub(crate) use cache::Cache;
pub(crate) use folding_ahead::Bounds;
pub(crate) use letters::Letters;
pub(crate) use machine::State;
pub(crate) use owner::{Owner, Standing, event_at, verify};
pub(crate) use writer::Writer;

use crate::batch::Share;
use crate::error::ProjectionError;
use crate::error_policy::Judge;
use crate::sharing::{Tenure, given, over};
use crate::supervisor::{Ending, Partition, Projection};
use following::Following;
use machine::{Machine, Outcome};

/// How long the checkpoint may stay behind what was read while no document changes, when other processes look at it.
const UNSTORED: Duration = Duration::from_millis(200);

/// How often it is looked whether a swap elsewhere is over.
const HELD_BACK: Duration = Duration::from_millis(50);

/// Follows the log for one partition until it is asked to stop or an error stops it.
#[derive(Debug)]
pub(crate) struct Runner {
    projection: Arc<Projection>,
    partition: Arc<Partition>,
    stop: watch::Receiver<Option<Ending>>,
    tenure: watch::Receiver<Tenure>,
    doubts: watch::Receiver<()>,
    machine: Machine,
    /// The right to write, once it was taken. Without leases it is never taken back from a newer owner.
    owner: Option<Owner>,
    following: Option<Following>,
    /// Whether dead letters were replayed last: then the log has its turn.
    replayed: bool,
}

/// What comes next while the log is followed.
enum Next {
    Page(Result<LogPage, StoreError>),
    Store,
    Replay,
    Ended(Outcome),
}

impl Runner {
    pub(crate) fn new(
        projection: Arc<Projection>,
        partition: Arc<Partition>,
        stop: watch::Receiver<Option<Ending>>,
    ) -> Self {
        let (tenure, machine) = (partition.tenure(), Machine::new(projection.sharing.is_some()));
        let doubts = projection.doubts.subscribe();
        Self { projection, partition, stop, tenure, doubts, machine, owner: None, following: None, replayed: false }
    }

    pub(crate) async fn run(mut self) {
        let mut unended = Unended(Some(Arc::clone(&self.partition)));
        self.publish();
        loop {
            let outcome = match self.machine.state() {
                State::Waiting => self.wait().await,
                State::Starting => self.start().await,
                State::CatchingUp | State::Live => self.follow().await,
                State::HeldBack => self.wait_for_swap().await,
                State::Retrying { after } => self.pause(after).await,
                State::Stopped(_) => break,
            };
            self.forget(&outcome);
            self.log(&outcome);
            self.machine.on(outcome, &*self.projection.policy);
            self.publish();
        }
        unended.0 = None;
    }

    async fn wait(&mut self) -> Outcome {
        tokio::select! {
            biased;
            _ = asked(&mut self.stop) => Outcome::StopRequested,
            () = given(&mut self.tenure) => Outcome::Leased,
        }
    }

    async fn pause(&mut self, pause: Duration) -> Outcome {
        tokio::select! {
            biased;
            ended = ended(&mut self.stop, &mut self.tenure) => ended,
            () = self.projection.breaker.pause(pause) => Outcome::Waited,
        }
    }

    async fn wait_for_swap(&mut self) -> Outcome {
        let Projection { name, sharing, .. } = &*self.projection;
        let over = async {
            loop {
                tokio::time::sleep(HELD_BACK).await;
                match sharing {
                    Some(sharing) if sharing.is_swapping(name).await.unwrap_or(false) => {}
                    _ => return,
                }
            }
        };
        tokio::select! {
            biased;
            ended = ended(&mut self.stop, &mut self.tenure) => ended,
            () = over => Outcome::Waited,
        }
    }

    async fn start(&mut self) -> Outcome {
        self.following = None;
        self.doubts.mark_unchanged();
        let start = async {
            let _permit = self.projection.breaker.admit().await;
            Following::start(&self.projection, self.partition.number, &mut self.owner).await
        };
        let started = tokio::select! {
            biased;
            ended = ended(&mut self.stop, &mut self.tenure) => return ended,
            started = start => started,
        };
        match started {
            Err(error) => Outcome::Failed(error),
            Ok(None) => Outcome::HeldBack,
            // Another one may have the partition by now, and a newer token.
            Ok(_) if !self.tenure.borrow().holds() => Outcome::LeaseLost,
            Ok(Some((following, standing))) => {
                if self.partition.started(following.generation, &standing) {
                    let (projection, partition) = (&self.projection.name, self.partition.number);
                    let (generation, position) = (following.generation, standing.position);
                    tracing::warn!(%projection, partition, "the read model has lost documents: generation {generation} is filled from {position} on");
                }
                self.partition.parked(following.writer.parked());
                self.partition.replays.notify_one();
                self.following = Some(following);
                Outcome::Started { behind: standing.position < standing.head.position }
            }
        }
    }

    /// One batch. It is written to its end even when the runner is asked to stop meanwhile, and so is what was gathered by then.
    async fn follow(&mut self) -> Outcome {
        let judge = Judge::new(&self.projection.policy, self.machine.attempts(), self.projection.letters.is_some());
        let Some(Following { generation, writer, gathering, store_by }) = &mut self.following else {
            return Outcome::Waited;
        };
        let (mut live, mut waits) = (self.projection.live.subscribe(), self.projection.waiting.subscribe());
        let next = tokio::select! {
            biased;
            ended = ended(&mut self.stop, &mut self.tenure) => Next::Ended(ended),
            _ = live.wait_for(|live| live.is_some_and(|live| live > *generation)) => Next::Ended(Outcome::Replaced),
            _ = self.doubts.changed() => Next::Ended(Outcome::Replaced),
            () = due(*store_by) => Next::Store,
            () = self.partition.replays.notified(), if !self.replayed => Next::Replay,
            page = gathering.next(&mut waits) => Next::Page(page),
            () = self.partition.replays.notified(), if self.replayed => Next::Replay,
        };
        if matches!(next, Next::Ended(Outcome::StopRequested))
            && self.tenure.borrow().holds()
            && self.projection.breaker.is_closed()
            && let Some(rest) = gathering.rest()
            && let Err(error) = write(&self.projection, &self.partition, writer, rest, &judge).await
        {
            return Outcome::Failed(error);
        }
        // Where the sink is away, nothing is sent to it before its time.
        let _permit = tokio::select! {
            biased;
            ended = ended(&mut self.stop, &mut self.tenure) => return ended,
            permit = self.projection.breaker.admit() => permit,
        };
        self.replayed = matches!(next, Next::Replay);
        let written = match next {
            Next::Ended(outcome) => return outcome,
            Next::Page(_) | Next::Store | Next::Replay if !self.tenure.borrow().holds() => return Outcome::LeaseLost,
            Next::Page(Err(error)) => Err(ProjectionError::Store(error)),
            Next::Page(Ok(page)) => {
                let more = page.more;
                let written = tokio::select! {
                    biased;
                    written = write(&self.projection, &self.partition, writer, page, &judge) => written,
                    never = gathering.read_on() => match never {},
                };
                written.map(|()| Outcome::Advanced { more })
            }
            Next::Store => {
                let position = gathering.position();
                *store_by = None;
                let more = self.machine.state() == State::CatchingUp;
                writer.store(position).await.map(|()| Outcome::Advanced { more })
            }
            Next::Replay => {
                let replayed = writer.replay(&self.projection, gathering.position()).await;
                self.partition.parked(writer.parked());
                if let Ok(true) = replayed {
                    self.partition.replays.notify_one();
                }
                replayed.map(|_| Outcome::Replayed)
            }
        };
        self.partition.stored(writer.stored());
        if writer.stored() == gathering.position() {
            *store_by = None;
        } else if self.projection.sharing.is_some() && store_by.is_none() {
            *store_by = Some(Instant::now() + UNSTORED);
        }
        if let (Err(_), Some(owner), true) = (&written, &mut self.owner, self.projection.letters.is_some()) {
            owner.doubt();
        }
        written.unwrap_or_else(Outcome::Failed)
    }

    /// What is no longer this runner's, or may not be.
    fn forget(&mut self, outcome: &Outcome) {
        let gone = match outcome {
            Outcome::LeaseLost => true,
            Outcome::Failed(
                ProjectionError::ReadModel(ReadModelError::Fenced { .. })
                | ProjectionError::DeadLetters(StoreError::Fenced { .. }),
            ) => self.projection.sharing.is_some(),
            _ => false,
        };
        if let Outcome::Failed(ProjectionError::ReadModel(
            ReadModelError::NotFound { .. } | ReadModelError::OutOfSequence { .. },
        )) = outcome
        {
            self.projection.doubt();
        }
        if gone {
            self.owner = None;
            self.following = None;
        }
    }

    fn publish(&self) {
        let ending = *self.stop.borrow();
        self.partition.publish(self.machine.state(), self.machine.attempts().count(), self.machine.error(), ending);
        if matches!(self.machine.state(), State::Waiting | State::HeldBack | State::Stopped(_)) {
            self.projection.changed.notify_one();
        }
    }

    fn log(&self, outcome: &Outcome) {
        if let Outcome::Failed(error) = outcome {
            let attempt = self.machine.attempts().with(error);
            let partition = self.partition.number;
            tracing::warn!(projection = %self.projection.name, partition, %error, attempt, "projection failed");
        }
    }
}

/// Folds a page and writes what came of it, and tells how far that is.
async fn write(
    projection: &Projection,
    partition: &Partition,
    writer: &mut Writer,
    page: LogPage,
    judge: &Judge,
) -> Result<(), ProjectionError> {
    let share = Share { partition: partition.number, after: GlobalPosition::START };
    let planned = projection.fold.plan_one(page.events, projection.count, share, judge).await;
    let events = planned.plan.len();
    writer.write(planned, page.scanned_to, judge).await.map_err(|error| judge.without_place(error))?;
    partition.folded(events);
    // Who waits for the position is told what is parked.
    partition.parked(writer.parked());
    partition.advanced(page.scanned_to);
    Ok(())
}

/// Waits until the runner is asked to stop, or nobody is left who could.
async fn asked(stop: &mut watch::Receiver<Option<Ending>>) {
    let _ = stop.wait_for(Option::is_some).await;
}

/// Waits until the runner is to stop, or to leave its partition to others.
async fn ended(stop: &mut watch::Receiver<Option<Ending>>, tenure: &mut watch::Receiver<Tenure>) -> Outcome {
    tokio::select! {
        biased;
        () = asked(stop) => Outcome::StopRequested,
        () = over(tenure) => Outcome::LeaseLost,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Makes an end that the runner did not come to by itself visible: nobody waits for it in vain.
#[derive(Debug)]
struct Unended(Option<Arc<Partition>>);

impl Drop for Unended {
    fn drop(&mut self) {
        if let Some(partition) = &self.0 {
            partition.aborted();
        }
    }
}
