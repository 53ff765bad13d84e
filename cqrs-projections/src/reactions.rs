//! Running reactors: each with a checkpoint of its own, and without any rebuild.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{CheckpointStore, EventStore, LeaseStore, ProjectionName};

mod react;
mod reaction;
mod running;
mod status;

pub use running::RunningReactions;
pub use status::ReactionStatus;

use crate::error_policy::{ErrorPolicy, RetryTransient};
use crate::reactor::Reactor;
use crate::sharing::Sharing;
use crate::supervisor::StartError;
use react::{React, Reacting};
use reaction::{Begin, Reaction};

/// How long a reactor may stand still when its process dies, unless told.
const LEASE_TIME: Duration = Duration::from_secs(10);

/// Reactors that are to run over one event store.
///
/// ```no_run
/// # async fn example(store: cqrs_core::in_memory::InMemoryEventStore, mail: impl cqrs_projections::Reactor,
/// #     checkpoints: impl cqrs_core::CheckpointStore, leases: impl cqrs_core::LeaseStore)
/// #     -> Result<(), cqrs_projections::StartError> {
/// use cqrs_projections::Reactions;
///
/// let running = Reactions::new(store, checkpoints)
///     .add("welcome-mail", mail) // from the end of the log on, where it has no checkpoint
///     .leases(leases) // in one process at a time
///     .start()
///     .await?;
/// # running.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "reactors run once they are started"]
pub struct Reactions {
    store: Arc<dyn EventStore>,
    checkpoints: Arc<dyn CheckpointStore>,
    added: Vec<(String, Arc<dyn React>, Begin)>,
    policy: Arc<dyn ErrorPolicy>,
    leases: Option<Arc<dyn LeaseStore>>,
    lease_time: Duration,
    label: String,
}

impl Reactions {
    /// No reactors yet. Their checkpoints are kept by their names.
    pub fn new(store: impl EventStore, checkpoints: impl CheckpointStore) -> Self {
        Self {
            store: Arc::new(store),
            checkpoints: Arc::new(checkpoints),
            added: Vec::new(),
            policy: Arc::new(RetryTransient::default()),
            leases: None,
            lease_time: LEASE_TIME,
            label: std::process::id().to_string(),
        }
    }

    /// Adds a reactor. The first time that it runs it begins with the events that are appended from then on; later where it
    /// has stopped. Its name keys the checkpoint and the lease, and is checked by [`start`](Self::start).
    pub fn add(self, name: impl Into<String>, reactor: impl Reactor) -> Self {
        self.added(name.into(), reactor, Begin::AtTheEnd)
    }

    /// Adds a reactor that, the first time that it runs, begins with the first event of the log.
    pub fn add_from_beginning(self, name: impl Into<String>, reactor: impl Reactor) -> Self {
        self.added(name.into(), reactor, Begin::AtTheBeginning)
    }

    fn added(mut self, name: String, reactor: impl Reactor, begin: Begin) -> Self {
        self.added.push((name, Arc::new(Reacting::new(reactor)), begin));
        self
    }

    /// Decides about the errors of all of these reactors.
    pub fn error_policy(mut self, policy: impl ErrorPolicy) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Runs each reactor in one process at a time, whichever runs it: when that one ends or dies, another one goes on. Keep
    /// other leases than projections of the same names do.
    ///
    /// Without leases, run a reactor in one process only: two would both do everything. A process that was replaced can move
    /// the checkpoint no more in any case.
    pub fn leases(mut self, store: impl LeaseStore) -> Self {
        self.leases = Some(Arc::new(store));
        self
    }

    /// How long a reactor may stand still at most when its process dies; 10 s unless told, at least 100 ms.
    pub fn lease_time(mut self, time: Duration) -> Self {
        self.lease_time = time;
        self
    }

    /// What the name of this process begins with. At most 95 ASCII characters without spaces; the number of the process unless
    /// told.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Starts them. Returns when each has its checkpoint and follows the log, waits for its lease, or has failed in its
    /// first attempt (or after a few seconds).
    ///
    /// # Errors
    /// [`StartError`] when a name or the [label](Self::label) is invalid, or a name is used twice.
    pub async fn start(self) -> Result<RunningReactions, StartError> {
        let sharing = match self.leases {
            Some(leases) => Some(Sharing::new(leases, self.label, self.lease_time)?),
            None => None,
        };
        let mut names = HashSet::new();
        let mut reactions = Vec::with_capacity(self.added.len());
        for (name, react, begin) in self.added {
            let name = ProjectionName::new(name)?;
            if !names.insert(name.clone()) {
                return Err(StartError::DuplicateName { name });
            }
            let (store, checkpoints) = (Arc::clone(&self.store), Arc::clone(&self.checkpoints));
            let (policy, sharing) = (Arc::clone(&self.policy), sharing.clone());
            reactions.push(Reaction { name, react, begin, store, checkpoints, policy, sharing });
        }
        Ok(RunningReactions::start(self.store, reactions).await)
    }
}

impl fmt::Debug for Reactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.added.iter().map(|(name, ..)| name).collect();
        f.debug_struct("Reactions").field("names", &names).finish_non_exhaustive()
    }
}
