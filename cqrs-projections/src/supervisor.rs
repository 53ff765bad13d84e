//! Starting projections together, waiting for them, and stopping them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{
    AsOf, DeadLetterStore, EventStore, GlobalPosition, InvalidName, InvalidPartitions, LeaseStore, Partitions,
    ProjectionName, ReadModel,
};

mod lag;
mod partition;
mod progress;
mod projection;
mod rate;
mod replays;
mod status;
mod wait;
mod waits;

pub(crate) use partition::{Ending, Partition};
pub(crate) use projection::{Common, Projection};
pub use status::{PartitionOwner, PartitionStatus, ProjectionState, ProjectionStatus, StopReason};
pub use wait::{DeadLettersOf, Lagging, Reached, WaitError};
pub(crate) use waits::Waits;

use crate::as_of::KeepAsOf;
use crate::batch::{Fold, Folding, Joining};
use crate::batches::Batches;
use crate::breaker::CircuitBreaker;
use crate::dead_letters::{DeadLetterError, DeadLetters};
use crate::enrich::{Enrich, Enriched, Enrichment};
use crate::error_policy::{ErrorPolicy, RetryTransient};
use crate::join::JoinProjector;
use crate::projector::Projector;
use crate::rebuild::Rebuild;
use crate::sharing::Sharing;

/// How long a partition may stand still when its process dies, unless told.
const LEASE_TIME: Duration = Duration::from_secs(10);

/// How long [`Projections::start`] waits for the first attempt of each.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// Projections that are to run over one event store.
///
/// ```no_run
/// # use std::time::Duration;
/// # use cqrs_core::{EventStore, ReadModel};
/// # use cqrs_projections::{Backoff, Projections, Projector, RetryTransient};
/// # async fn example(store: impl EventStore, summary: impl Projector, redis: impl ReadModel, search: impl Projector,
/// #     elastic: impl ReadModel) -> Result<(), cqrs_projections::StartError> {
/// let running = Projections::new(store)
///     .add("account-summary", summary, redis)
///     .add("account-search", search, elastic)
///     .error_policy(RetryTransient::new(Backoff::new(Duration::from_millis(50), Duration::from_secs(10))))
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "projections run once they are started"]
pub struct Projections {
    store: Arc<dyn EventStore>,
    added: Vec<Added>,
    policy: Arc<dyn ErrorPolicy>,
    batches: Batches,
    batches_of: HashMap<String, Batches>,
    letters: Option<Arc<dyn DeadLetterStore>>,
    breaker: CircuitBreaker,
    leases: Option<Arc<dyn LeaseStore>>,
    lease_time: Duration,
    label: String,
}

struct Added {
    name: String,
    fold: Arc<dyn Fold>,
    model: Arc<dyn ReadModel>,
}

/// Why projections were not started: none of them was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No projection can have this name, or no process this label.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// Two projections have the same name.
    #[error("two projections are named {name}")]
    DuplicateName {
        /// The name.
        name: ProjectionName,
    },
    /// [`batches_of`](Projections::batches_of) names a projection that was not added.
    #[error("there is no projection {name:?} to have batches of its own")]
    UnknownProjection {
        /// The name.
        name: String,
    },
    /// A projector cannot have so many partitions.
    #[error("the projector of {name} has an {source}")]
    InvalidPartitions {
        /// The projection.
        name: ProjectionName,
        /// What is wrong with the number.
        source: InvalidPartitions,
    },
}

impl Projections {
    /// No projections yet.
    pub fn new(store: impl EventStore) -> Self {
        Self {
            store: Arc::new(store),
            added: Vec::new(),
            policy: Arc::new(RetryTransient::default()),
            batches: Batches::default(),
            batches_of: HashMap::new(),
            letters: None,
            breaker: CircuitBreaker::default(),
            leases: None,
            lease_time: LEASE_TIME,
            label: std::process::id().to_string(),
        }
    }

    /// Adds a projection. Its name keys the documents, the checkpoint and the generations in the read model, and is
    /// checked by [`start`](Self::start).
    pub fn add(mut self, name: impl Into<String>, projector: impl Projector, model: impl ReadModel) -> Self {
        let added = Added { name: name.into(), fold: Arc::new(Folding::new(projector)), model: Arc::new(model) };
        self.added.push(added);
        self
    }

    /// Adds a projection of joined documents. Otherwise as [`add`](Self::add).
    pub fn add_join(mut self, name: impl Into<String>, projector: impl JoinProjector, model: impl ReadModel) -> Self {
        let added = Added { name: name.into(), fold: Arc::new(Joining::new(projector)), model: Arc::new(model) };
        self.added.push(added);
        self
    }

    /// Adds a projection of events that are [enriched](Enrich) first. Otherwise as [`add`](Self::add).
    pub fn add_enriched<N: Enrich>(
        mut self,
        name: impl Into<String>,
        enrichment: Enrichment<N>,
        projector: impl Projector<Event = Enriched<N::Event, N::Enrichment>>,
        model: impl ReadModel,
    ) -> Self {
        let fold = Folding::after(enrichment, projector);
        self.added.push(Added { name: name.into(), fold: Arc::new(fold), model: Arc::new(model) });
        self
    }

    /// Adds a projection of joined documents whose events are [enriched](Enrich) first. Otherwise as [`add`](Self::add).
    pub fn add_enriched_join<N: Enrich>(
        mut self,
        name: impl Into<String>,
        enrichment: Enrichment<N>,
        projector: impl JoinProjector<Event = Enriched<N::Event, N::Enrichment>>,
        model: impl ReadModel,
    ) -> Self {
        let fold = Joining::after(enrichment, projector);
        self.added.push(Added { name: name.into(), fold: Arc::new(fold), model: Arc::new(model) });
        self
    }

    /// Decides about the errors of all of these projections.
    pub fn error_policy(mut self, policy: impl ErrorPolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// How many events these projections fold and write together; [`Batches::default`] unless told. A rebuild has batches of its
    /// [own](Rebuild::batch).
    pub fn batches(mut self, batches: Batches) -> Self {
        self.batches = batches;
        self
    }

    /// The same for one of them, whatever [`batches`](Self::batches) says for the others.
    pub fn batches_of(mut self, name: impl Into<String>, batches: Batches) -> Self {
        self.batches_of.insert(name.into(), batches);
        self
    }

    /// Keeps the dead letters of these projections, where the [error policy](Self::error_policy) wants any: a document that
    /// cannot be folded or is refused by the read model is parked, and all others go on. Every process that runs these
    /// projections needs the same store.
    ///
    /// ```no_run
    /// # use cqrs_core::{DeadLetterStore, EventStore, ReadModel};
    /// # use cqrs_projections::{DeadLetterPermanent, Projections, Projector};
    /// # async fn example(store: impl EventStore, letters: impl DeadLetterStore, summary: impl Projector,
    /// #     redis: impl ReadModel) -> Result<(), cqrs_projections::StartError> {
    /// let running = Projections::new(store)
    ///     .dead_letters(letters) // store.dead_letters() of PgEventStore or SqliteEventStore
    ///     .error_policy(DeadLetterPermanent::default())
    ///     .add("account-summary", summary, redis)
    ///     .start()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn dead_letters(mut self, store: impl DeadLetterStore) -> Self {
        self.letters = Some(Arc::new(store));
        self
    }

    /// When the read model of a projection counts as away, and how often it is probed then.
    pub fn circuit_breaker(mut self, breaker: CircuitBreaker) -> Self {
        self.breaker = breaker;
        self
    }

    /// Shares the partitions of these projections with the other processes that run the same ones with the same leases and the
    /// same read models. Each process writes a fair share; when one joins, leaves or dies, the others adjust.
    ///
    /// Without leases, one process writes all partitions, and the last one that was started is the one. With them:
    ///
    /// - a partition has one writer at a time. What a process that was paused still sends is refused by the sink, so
    ///   that nothing is missed or folded twice whatever the leases do;
    /// - [`stop`](Running::stop) hands the partitions over at once, and so does a process that joins or leaves. Those of a process
    ///   that is killed, paused or cut off are written by others before the [lease time](Self::lease_time) is over;
    /// - a partition that an error has stopped stays with its process, which shows the error in its status; the others
    ///   take it when that process ends;
    /// - a process whose projector has another number of partitions than the documents (a newer version that waits for
    ///   its [rebuild](Running::rebuild), an older one after it) takes no part until that has changed;
    /// - a rebuild in one process is followed by all others.
    ///
    /// The leases are kept by the names of the projections: processes that fill other read models under the same names need another
    /// lease store (in PostgreSQL, another schema).
    pub fn leases(mut self, store: impl LeaseStore) -> Self {
        self.leases = Some(Arc::new(store));
        self
    }

    /// How long the documents of a partition may stand still at most when its process dies; 10 s unless told, at least
    /// 100 ms. Leases are renewed eight times as often, and are lost when the lease store does not answer for three
    /// quarters of the time.
    pub fn lease_time(mut self, time: Duration) -> Self {
        self.lease_time = time;
        self
    }

    /// What the name of this process begins with, where others see it as the owner of partitions: its machine, say. At most
    /// 95 ASCII characters without spaces; the number of the process unless told.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Starts a runner for each partition of each projection.
    ///
    /// Returns when each has opened its read model and verified its checkpoint, or failed in its first attempt (or after
    /// a few seconds). A projection that cannot run does not keep the others from running: its
    /// [status](Running::status) tells why, and a [rebuild](Running::rebuild) may be the cure.
    ///
    /// # Errors
    /// [`StartError`] when a name or the [label](Self::label) is invalid, a name is used twice, a number of partitions is invalid, or
    /// [`batches_of`](Self::batches_of) names a projection that was not added.
    pub async fn start(self) -> Result<Running, StartError> {
        let sharing = match self.leases {
            Some(leases) => Some(Sharing::new(leases, self.label, self.lease_time)?),
            None => None,
        };
        let Self { store, policy, batches, mut batches_of, letters, breaker, .. } = self;
        let common = Common { store, policy, letters, breaker, sharing };
        let mut names = HashSet::new();
        let mut projections = Vec::with_capacity(self.added.len());
        for Added { name, fold, model } in self.added {
            let name = ProjectionName::new(name)?;
            if !names.insert(name.clone()) {
                return Err(StartError::DuplicateName { name });
            }
            let count = match Partitions::new(fold.partitions()) {
                Ok(count) => count,
                Err(source) => return Err(StartError::InvalidPartitions { name, source }),
            };
            let batches = batches_of.remove(name.as_str()).unwrap_or(batches);
            projections.push(Arc::new(Projection::new(name, fold, count, model, batches, &common)));
        }
        if let Some(name) = batches_of.into_keys().min() {
            return Err(StartError::UnknownProjection { name });
        }
        let running = Running { store: common.store, projections };
        running.projections.iter().for_each(Projection::start);
        let tried = running.projections.iter().map(|projection| projection.tried());
        let _ = tokio::time::timeout(FIRST_ATTEMPT, futures::future::join_all(tried)).await;
        Ok(running)
    }
}

/// Projections that run until they are stopped, or this is dropped: then all ends at once, and leases run out by themselves.
pub struct Running {
    store: Arc<dyn EventStore>,
    projections: Vec<Arc<Projection>>,
}

impl Running {
    /// Waits until every projection reflects the log up to `position`: read your own writes, by key. What searches see is
    /// waited for by [`wait_until_searchable`](Self::wait_until_searchable). A document that is parked with dead letters holds
    /// nobody up, and is told of: [`Reached::dead_letters`].
    ///
    /// A rebuild does not interrupt it: what was reached stays reached when the new generation goes live. Partitions that
    /// other processes write count as well: their checkpoints in the read model are asked for, so that it may take a moment
    /// longer, and that an error that has stopped one elsewhere is a timeout here.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] names those that lag, [`WaitError::Stopped`] the first that has stopped before `position`.
    pub async fn wait_for(&self, position: GlobalPosition, timeout: Duration) -> Result<Reached, WaitError> {
        wait::wait_for(self.projections.iter(), position, timeout).await
    }

    /// Waits until one projection reflects the log up to `position`.
    ///
    /// # Errors
    /// As [`wait_for`](Self::wait_for); [`WaitError::UnknownProjection`] when there is none of this name.
    pub async fn wait_for_one(
        &self,
        name: &str,
        position: GlobalPosition,
        timeout: Duration,
    ) -> Result<Reached, WaitError> {
        let unknown = || WaitError::UnknownProjection { name: name.to_owned() };
        let projection = self.find(name).ok_or_else(unknown)?;
        wait::wait_for([projection].into_iter(), position, timeout).await
    }

    /// Waits until searches in one projection's read model find all documents up to `position`.
    ///
    /// [`wait_for`](Self::wait_for) waits until they are stored: a read by key ([`Documents`](cqrs_core::Documents)) sees them.
    /// That is all there is to wait for in most read models. In Elasticsearch a search sees them at the next refresh of the
    /// index, up to a second later; this has it refreshed, once for all who wait at the same time. Where all writes are waited
    /// for, the policy `Refresh::WaitFor` of its read model costs the server less.
    ///
    /// # Errors
    /// As [`wait_for_one`](Self::wait_for_one); [`WaitError::NotSearchable`] when the read model refuses.
    pub async fn wait_until_searchable(
        &self,
        name: &str,
        position: GlobalPosition,
        timeout: Duration,
    ) -> Result<(), WaitError> {
        let unknown = || WaitError::UnknownProjection { name: name.to_owned() };
        let projection = self.find(name).ok_or_else(unknown)?;
        wait::wait_until_searchable(projection, position, timeout).await
    }

    /// Where each projection stands, in the order in which they were added. It is told within seconds: what a store or a read
    /// model does not answer in time is left out, or is as it was seen before.
    pub async fn status(&self) -> Vec<ProjectionStatus> {
        let head = tokio::time::timeout(projection::LOOK, self.store.head()).await.ok().and_then(Result::ok);
        futures::future::join_all(self.projections.iter().map(|projection| projection.status(head.as_ref()))).await
    }

    /// The dead letters of a projection: to list, inspect, replay and discard. They are those of all processes.
    ///
    /// # Errors
    /// [`DeadLetterError::UnknownProjection`], or [`DeadLetterError::NoStore`] where none was given.
    pub fn dead_letters(&self, name: &str) -> Result<DeadLetters, DeadLetterError> {
        let unknown = || DeadLetterError::UnknownProjection { name: name.to_owned() };
        DeadLetters::of(self.find(name).ok_or_else(unknown)?)
    }

    /// Folds the whole log again into a new generation, beside the live one, and makes it the live one. Nothing happens
    /// until the result is awaited; dropping it before it is done leaves the live generation as it is.
    #[must_use = "a rebuild begins when it is awaited"]
    pub fn rebuild(&self, name: &str) -> Rebuild {
        Rebuild::new(name, self.find(name).cloned())
    }

    /// The documents of a projection as they were at a moment, to be [kept](KeepAsOf::keep) beside the live ones. Into memory:
    /// [`documents_as_of`](crate::documents_as_of).
    pub fn as_of(&self, name: &str, as_of: AsOf) -> KeepAsOf {
        KeepAsOf::new(name, self.find(name).cloned(), as_of)
    }

    /// Stops all projections. Each partition writes the batch that it has and gives its lease back; a rebuild is
    /// cancelled.
    pub async fn stop(self) {
        futures::future::join_all(self.projections.iter().map(|projection| projection.stop())).await;
    }

    fn find(&self, name: &str) -> Option<&Arc<Projection>> {
        self.projections.iter().find(|projection| projection.name.as_str() == name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.projections.iter().for_each(|projection| projection.close());
    }
}

impl fmt::Debug for Projections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.added.iter().map(|added| &added.name).collect();
        f.debug_struct("Projections").field("names", &names).finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("projections", &self.projections).finish_non_exhaustive()
    }
}
