//! One process's share of a projection's partitions: joining, taking, handing over, leaving.

use std::collections::BTreeMap;
use std::sync::Arc;

use cqrs_core::{Failure, Generation, Lease, LiveGeneration, MemberId, ReadModelError, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use super::balance::{Decision, balance};
use super::{Sharing, Tenure};
use crate::error::ProjectionError;
use crate::error_policy::ErrorDecision;
use crate::supervisor::{Ending, Projection};

/// Tells the runners of a projection which partitions are theirs, until it is asked to end.
pub(crate) struct Share {
    projection: Arc<Projection>,
    sharing: Sharing,
    /// The live generation, checked to fit: the process takes part.
    joined: Option<Generation>,
    /// Failures to open the read model, in a row.
    failures: u32,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Soon,
    Later,
}

impl Share {
    pub(crate) fn new(projection: Arc<Projection>, sharing: Sharing) -> Self {
        Self { projection, sharing, joined: None, failures: 0 }
    }

    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.look_again_and_again() => {}
        }
        // The runners have ended before.
        self.leave().await;
    }

    async fn look_again_and_again(&mut self) {
        loop {
            let next = self.look().await;
            self.projection.looked.send_replace(true);
            let pause = if next == Next::Soon { self.sharing.hurry() } else { self.sharing.interval() };
            let _ = tokio::time::timeout(pause, self.projection.changed.notified()).await;
        }
    }

    async fn look(&mut self) -> Next {
        if !self.fits().await {
            return Next::Later;
        }
        match self.balance().await {
            Ok(next) => next,
            Err(error) => {
                // The runners stop by themselves when their time is over.
                tracing::warn!(projection = %self.projection.name, %error, "leases were not renewed");
                Next::Soon
            }
        }
    }

    /// Whether the live generation is one that this process can write. Joins when it is, leaves when it is no longer.
    async fn fits(&mut self) -> bool {
        let Projection { name, model, count, breaker, .. } = &*self.projection;
        let permit = breaker.try_admit();
        if let Some(generation) = self.joined {
            let joined = LiveGeneration { generation, partitions: *count };
            if permit.is_none() {
                return true;
            }
            match self.answer(model.live(name)).await {
                Ok(Some(live)) if live == joined => return true,
                // Only what is there and does not fit is a reason to leave.
                Err(_) => return true,
                Ok(_) => {}
            }
        }
        let opened = self.answer(model.open(name, *count)).await;
        drop(permit);
        match opened {
            Ok(generation) => {
                self.failures = 0;
                self.joined = Some(generation);
                self.projection.live.send_replace(Some(generation));
                self.projection.resume();
                true
            }
            Err(error) if self.joined.is_some() && error.is_transient() => true,
            Err(error) => {
                self.unfit(error).await;
                false
            }
        }
    }

    /// What the read model answers. The leases are not kept waiting for a slow one.
    async fn answer<T>(&self, call: impl Future<Output = Result<T, ReadModelError>>) -> Result<T, ReadModelError> {
        if self.joined.is_none() {
            return call.await;
        }
        let late = |_| Err(ReadModelError::Transient(Failure::new("the read model did not answer in time")));
        tokio::time::timeout(self.sharing.interval(), call).await.unwrap_or_else(late)
    }

    async fn unfit(&mut self, error: ReadModelError) {
        if self.joined.take().is_some() {
            self.projection.end(Ending::Stop).await;
            self.leave().await;
        }
        self.failures = self.failures.saturating_add(1);
        let error = ProjectionError::ReadModel(error);
        let retry = match self.projection.policy.decide(&error, self.failures) {
            ErrorDecision::Retry { after } => Some(after),
            ErrorDecision::DeadLetter | ErrorDecision::Stop => None,
        };
        tracing::warn!(projection = %self.projection.name, %error, "the read model cannot be opened");
        self.projection.unopened(&error, self.failures, retry);
    }

    async fn balance(&mut self) -> Result<Next, StoreError> {
        let Projection { name, partitions, count, .. } = &*self.projection;
        let (leases, end) = self.sharing.heartbeat(name).await?;
        let of_partition = |(lease, holder)| match lease {
            Lease::Partition(partition) => Some((partition, holder)),
            _ => None,
        };
        let mut held: BTreeMap<u16, MemberId> = leases.held.into_iter().filter_map(of_partition).collect();
        let me = self.sharing.member();
        let Decision { mut missing, free, release } = balance(me, &leases.members, &held, *count);
        for partition in partitions {
            let mine = held.get(&partition.number) == Some(me) && !release.contains(&partition.number);
            partition.give(if mine { Tenure::Until(end) } else { Tenure::None });
        }
        // Many are taken in several looks, so that the first ones are renewed meanwhile.
        let until = Instant::now() + self.sharing.interval();
        for partition in free {
            if missing > 0
                && Instant::now() < until
                && let Some(end) = self.sharing.acquire(name, Lease::Partition(partition)).await?
            {
                held.insert(partition, me.clone());
                self.give(partition, Tenure::Until(end));
                missing -= 1;
            }
        }
        let mut busy = false;
        for partition in release {
            if self.projection.partitions.get(usize::from(partition)).is_none_or(|partition| partition.is_idle()) {
                self.sharing.release(name, Lease::Partition(partition)).await?;
                held.remove(&partition);
            } else {
                busy = true;
            }
        }
        self.projection.holders.send_replace(held);
        Ok(if missing > 0 || busy { Next::Soon } else { Next::Later })
    }

    fn give(&self, partition: u16, tenure: Tenure) {
        if let Some(partition) = self.projection.partitions.get(usize::from(partition)) {
            partition.give(tenure);
        }
    }

    async fn leave(&mut self) {
        self.projection.partitions.iter().for_each(|partition| partition.give(Tenure::None));
        self.projection.holders.send_replace(BTreeMap::new());
        let name = &self.projection.name;
        if let Err(error) = self.sharing.leave(name).await {
            tracing::warn!(projection = %name, %error, "leases were not given back, and run out by themselves");
        }
    }
}
