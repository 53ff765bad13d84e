//! The runner: follows the log and keeps one partition of a projection's live generation up to date with it.

use std::sync::Arc;

use cqrs_core::{GlobalPosition, ReadModelError, Subscription};
use tokio::sync::watch;

mod cache;
mod machine;
mod owner;
mod writer;

pub(crate) use cache::Cache;
pub(crate) use machine::State;
pub(crate) use owner::{Owner, Standing, verify};
pub(crate) use writer::Writer;

use crate::batch::Share;
use crate::error::ProjectionError;
use crate::supervisor::{Ending, Partition, Projection};
use machine::{Machine, Outcome};

/// What the live runners of a projection keep of the documents in memory, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// Follows the log for one partition until it is asked to stop or an error stops it.
#[derive(Debug)]
pub(crate) struct Runner {
    projection: Arc<Projection>,
    partition: Arc<Partition>,
    stop: watch::Receiver<Option<Ending>>,
    machine: Machine,
    /// The right to write, once it was taken. It is never taken back from a newer owner.
    owner: Option<Owner>,
    following: Option<Following>,
}

#[derive(Debug)]
struct Following {
    writer: Writer,
    subscription: Box<dyn Subscription>,
}

impl Runner {
    pub(crate) const fn new(
        projection: Arc<Projection>,
        partition: Arc<Partition>,
        stop: watch::Receiver<Option<Ending>>,
    ) -> Self {
        Self { projection, partition, stop, machine: Machine::new(), owner: None, following: None }
    }

    pub(crate) async fn run(mut self) {
        let mut unended = Unended(Some(Arc::clone(&self.partition)));
        self.publish();
        loop {
            let outcome = match self.machine.state() {
                State::Starting => self.start().await,
                State::CatchingUp | State::Live => self.follow().await,
                State::Retrying { after } => tokio::select! {
                    biased;
                    _ = asked(&mut self.stop) => Outcome::StopRequested,
                    () = tokio::time::sleep(after) => Outcome::Waited,
                },
                State::Stopped(_) => break,
            };
            self.log(&outcome);
            self.machine.on(outcome, &*self.projection.policy);
            self.publish();
        }
        unended.0 = None;
    }

    async fn start(&mut self) -> Outcome {
        self.following = None;
        let started = tokio::select! {
            biased;
            _ = asked(&mut self.stop) => return Outcome::StopRequested,
            started = start(&self.projection, self.partition.number, &mut self.owner) => started,
        };
        match started {
            Err(error) => Outcome::Failed(error),
            Ok((following, standing)) => {
                if let Some(owner) = &self.owner {
                    self.partition.started(owner.target.generation, &standing);
                }
                self.following = Some(following);
                Outcome::Started { behind: standing.position < standing.head.position }
            }
        }
    }

    /// One page. It is written to its end even when the runner is asked to stop meanwhile.
    async fn follow(&mut self) -> Outcome {
        let Some(Following { writer, subscription }) = &mut self.following else {
            return Outcome::Waited;
        };
        let page = tokio::select! {
            biased;
            _ = asked(&mut self.stop) => return Outcome::StopRequested,
            page = subscription.next() => page,
        };
        let written = match page {
            Err(error) => Err(ProjectionError::Store(error)),
            Ok(page) => {
                let Projection { fold, count, .. } = &*self.projection;
                let share = Share { partition: self.partition.number, after: GlobalPosition::START };
                let planned = fold.plan_one(page.events, *count, share);
                writer.write(planned, page.scanned_to).await.map(|()| (page.scanned_to, page.more))
            }
        };
        self.partition.stored(writer.stored());
        match written {
            Err(error) => Outcome::Failed(error),
            Ok((scanned_to, more)) => {
                self.partition.advanced(scanned_to);
                Outcome::Advanced { more }
            }
        }
    }

    fn publish(&self) {
        let ending = *self.stop.borrow();
        self.partition.publish(self.machine.state(), self.machine.attempts(), self.machine.error(), ending);
    }

    fn log(&self, outcome: &Outcome) {
        if let Outcome::Failed(error) = outcome {
            let attempt = self.machine.attempts() + 1;
            let partition = self.partition.number;
            tracing::warn!(projection = %self.projection.name, partition, %error, attempt, "projection failed");
        }
    }
}

/// Waits until the runner is asked to stop, or nobody is left who could.
async fn asked(stop: &mut watch::Receiver<Option<Ending>>) {
    let _ = stop.wait_for(Option::is_some).await;
}

async fn start(
    projection: &Projection,
    partition: u16,
    owned: &mut Option<Owner>,
) -> Result<(Following, Standing), ProjectionError> {
    let Projection { name, fold, count, store, model, .. } = projection;
    let generation = model.open(name, *count).await?;
    let held = match &*owned {
        None => None,
        Some(owner) => match owner.checkpoint(&**model).await {
            Ok(checkpoint) if owner.target.generation == generation => Some((owner.clone(), checkpoint)),
            Ok(_) => None,
            // Generations only ever rise, unless the sink has lost everything. Where one above ours is live, somebody
            // else has swapped it in and owns it.
            Err(ReadModelError::NotFound { generation: gone }) if generation < gone => None,
            Err(error) => return Err(error.into()),
        },
    };
    let (owner, checkpoint) = match held {
        Some(held) => held,
        None => Owner::take(&**model, projection.target(generation, partition)).await?,
    };
    *owned = Some(owner.clone());
    let standing = verify(store, &owner.target, checkpoint).await?;
    let subscription = store.subscribe(standing.position, fold.filter()).await?;
    let cache = Cache::new(CACHE_BYTES / usize::from(count.get()));
    let writer = Writer::new(Arc::clone(store), Arc::clone(model), owner, &standing, cache);
    Ok((Following { writer, subscription }, standing))
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
