//! Folding the whole log again, beside the live generation.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{Generation, GlobalPosition};
use tokio::sync::watch;

mod alone;
mod compare;
mod fill;
mod pages;
mod progress;
mod retries;
mod run;
mod swap;
mod throttle;
mod unfinished;

pub use compare::NotComparable;
pub(crate) use fill::Fill;
pub(crate) use progress::Observer;
pub use progress::RebuildProgress;
pub(crate) use unfinished::FilledBy;

use crate::differences::{self, Differences};
use crate::error::ProjectionError;
use crate::supervisor::Projection;
use run::Failed;
use unfinished::Resume;

/// How many events are folded before what came of them is written, unless told.
pub(crate) const BATCH: usize = 100_000;

/// A rebuild that begins when it is awaited.
///
/// It fills a new generation from the first event on while the live one goes on, all partitions at the same time from one
/// reading of the log by several readers, stops the runners for a moment when it has come near the end, fills the rest,
/// makes the new generation the live one for all documents at once, drops the old one unless it is to be
/// [kept](Self::keep_former), and lets the runners go on with the new one. Readers and [`wait_for`](crate::Running::wait_for) notice nothing but the new documents.
///
/// Whatever ends it before the swap leaves the live generation as it is. What becomes of the new one:
///
/// - dropping the future, an error that does not pass and [`swap_if`](Self::swap_if) drop it;
/// - a crash, [`stop`](crate::Running::stop) and an error that may pass (a sink that stayed away) leave it behind where the
///   projector declares a [version](crate::Projector::version) or [`resume`](Self::resume) was called. The next rebuild goes
///   on with it, each partition from its checkpoint, if it was filled by the same number of partitions, the same version and
///   from the same types of events. Otherwise the next rebuild drops it.
#[must_use = "a rebuild begins when it is awaited"]
pub struct Rebuild {
    name: String,
    projection: Option<Arc<Projection>>,
    plan: Plan,
}

/// How it is to be done.
struct Plan {
    observer: Observer,
    batch: usize,
    throttle: Option<u32>,
    keep_former: bool,
    resume: Resume,
    /// How many documents that differ are listed.
    listed: usize,
    /// Asked about the differences from the live documents.
    decide: Option<Decide>,
}

type Decide = Box<dyn FnOnce(Differences) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send>;

/// A rebuild that was done.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rebuilt {
    /// The generation that is live now.
    pub generation: Generation,
    /// The one that was live before, if it was [kept](Rebuild::keep_former).
    pub former: Option<Generation>,
    /// How many events were folded, without those that an earlier rebuild had folded.
    pub events: u64,
    /// Where an earlier rebuild was gone on with; `None` when it began anew.
    pub resumed_from: Option<GlobalPosition>,
    /// What differed from the documents that were live until then, where it was [compared](Rebuild::swap_if).
    pub differences: Option<Differences>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a rebuild was not done. The live generation is as it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// There is no projection of this name.
    #[error("there is no projection {name:?}")]
    UnknownProjection {
        /// The name.
        name: String,
    },
    /// The projection is being rebuilt already, here or in another process. The lease of one that died lasts for the
    /// [lease time](crate::Projections::lease_time).
    #[error("projection {name} is being rebuilt already")]
    AlreadyRunning {
        /// The projection.
        name: String,
    },
    /// The projection was stopped meanwhile.
    #[error("the rebuild of {name} was cancelled")]
    Cancelled {
        /// The projection.
        name: String,
    },
    /// The documents differ from the live ones in a way that [`Rebuild::swap_if`] does not want.
    #[error("the rebuilt documents of {name} are not wanted")]
    Unwanted {
        /// The projection.
        name: String,
        /// What differs.
        differences: Box<Differences>,
    },
    /// The live documents are no measure for the new ones.
    #[error("the rebuilt documents of {name} cannot be compared with the live ones")]
    NotComparable {
        /// The projection.
        name: String,
        /// Why not.
        source: NotComparable,
    },
    /// Store or read model failed, or an event cannot be folded.
    #[error("the rebuild of {name} failed")]
    Failed {
        /// The projection.
        name: String,
        /// What failed.
        source: ProjectionError,
    },
}

impl Rebuild {
    pub(crate) fn new(name: &str, projection: Option<Arc<Projection>>) -> Self {
        let plan = Plan {
            observer: Observer::default(),
            batch: BATCH,
            throttle: None,
            keep_former: false,
            resume: Resume::default(),
            listed: differences::LISTED,
            decide: None,
        };
        Self { name: name.to_owned(), projection, plan }
    }

    /// Calls `observe` after each 5,000 events, or after each [batch](Self::batch) where that is less.
    pub fn progress(mut self, observe: impl FnMut(&RebuildProgress) + Send + 'static) -> Self {
        self.plan.observer = Observer::new(observe);
        self
    }

    /// Folds so many events at most before it writes the documents that they change, each once (100,000 unless told; 0 is taken as
    /// 1), and folds on meanwhile. It writes sooner when these are 50,000 in a partition, or 64 MiB in all; as many at once as are
    /// [good](cqrs_core::ReadModel::good_batch) for the read model. A killed rebuild is gone on with from there.
    ///
    /// Up to 25,000 events are read ahead, whatever this says.
    pub fn batch(mut self, events: usize) -> Self {
        self.plan.batch = events.max(1);
        self
    }

    /// Folds so many events per second at most (0 is taken as 1), in smaller batches, so that store and sink have time for
    /// others. What is left when the runners are stopped for the swap is folded as fast as it goes. A rebuild that is slower
    /// than events come does not end.
    pub fn throttle(mut self, events_per_second: u32) -> Self {
        self.plan.throttle = Some(events_per_second);
        self
    }

    /// Does not drop the generation that was live ([`Rebuilt::former`]): it stays as it is until the next rebuild drops it, or
    /// [`drop_generation`](cqrs_core::ReadModel::drop_generation) does.
    ///
    /// To go back to it, stop the projection in all processes, make it live again by
    /// [`swap`](cqrs_core::ReadModel::swap), and start: it goes on from the checkpoint that it was left at.
    pub fn keep_former(mut self) -> Self {
        self.plan.keep_former = true;
        self
    }

    /// Goes on with what a killed or stopped rebuild has left behind also where the projector declares no
    /// [version](crate::Projector::version), and leaves it behind for the next one. By calling this you vouch that the
    /// projector does the same as it did then. What declares another version is dropped nevertheless.
    pub fn resume(mut self) -> Self {
        self.plan.resume = Resume::Vouched;
        self
    }

    /// Begins anew, whatever was left behind.
    pub fn anew(mut self) -> Self {
        self.plan.resume = Resume::Never;
        self
    }

    /// Compares the new documents with the live ones before the swap, and swaps only if `decide` says so; otherwise the
    /// rebuild ends as [`RebuildError::Unwanted`].
    ///
    /// Both sides are as of the same events: nobody writes the live documents while they are compared, and the new ones are
    /// filled up to where those stand. Readers notice nothing, but what is appended meanwhile shows later. While `decide`
    /// thinks, everything goes on. Compared is every document, by its JSON; takes 8 bytes of memory for each.
    ///
    /// ```no_run
    /// # async fn example(running: cqrs_projections::Running) -> Result<(), cqrs_projections::RebuildError> {
    /// let rebuilt = running.rebuild("account-summary").swap_if(async |found| {
    ///     println!("{found}");
    ///     found.removed == 0
    /// });
    /// rebuilt.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn swap_if<F, Decided>(mut self, decide: F) -> Self
    where
        F: FnOnce(Differences) -> Decided + Send + 'static,
        Decided: Future<Output = bool> + Send + 'static,
    {
        self.plan.decide = Some(Box::new(|found| Box::pin(decide(found))));
        self
    }

    /// Compares the new documents with the live ones and swaps in any case: the differences are in [`Rebuilt::differences`].
    pub fn compare(self) -> Self {
        self.swap_if(|_| std::future::ready(true))
    }

    /// Lists so many documents that differ at most, 1,000 unless told. They are counted in any case.
    pub fn list(mut self, documents: usize) -> Self {
        self.plan.listed = documents;
        self
    }

    /// Fills a new generation, compares it with the live one as [`swap_if`](Self::swap_if) does, and drops it.
    ///
    /// # Errors
    /// As a rebuild has.
    pub async fn dry_run(self) -> Result<Differences, RebuildError> {
        match self.swap_if(|_| std::future::ready(false)).await {
            Err(RebuildError::Unwanted { differences, .. }) => Ok(*differences),
            Err(error) => Err(error),
            Ok(rebuilt) => Ok(rebuilt.differences.unwrap_or_default()),
        }
    }

    async fn run(self) -> Result<Rebuilt, RebuildError> {
        let Self { name, projection, plan } = self;
        let Some(projection) = projection else {
            return Err(RebuildError::UnknownProjection { name });
        };
        let running = match Arc::clone(&projection.rebuild).try_lock_owned() {
            Ok(running) => running,
            // It was dropped, and cleans up.
            Err(_) if projection.rebuild_is_cancelled() => Arc::clone(&projection.rebuild).lock_owned().await,
            Err(_) => return Err(RebuildError::AlreadyRunning { name }),
        };
        let (cancel, cancelled) = watch::channel(false);
        let cancel = CancelOnDrop(Arc::new(cancel));
        let task = tokio::spawn(run::rebuild(Arc::clone(&projection), running, plan, cancelled));
        projection.rebuilds(Arc::clone(&cancel.0), task.abort_handle());
        match task.await {
            Ok(Ok(rebuilt)) => Ok(rebuilt),
            Ok(Err(Failed::Error(source))) => Err(RebuildError::Failed { name, source }),
            Ok(Err(Failed::Unwanted(found))) => Err(RebuildError::Unwanted { name, differences: Box::new(found) }),
            Ok(Err(Failed::NotComparable(source))) => Err(RebuildError::NotComparable { name, source }),
            Ok(Err(Failed::RunningElsewhere)) => Err(RebuildError::AlreadyRunning { name }),
            Ok(Err(Failed::Cancelled)) | Err(_) => Err(RebuildError::Cancelled { name }),
        }
    }
}

impl IntoFuture for Rebuild {
    type Output = Result<Rebuilt, RebuildError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rebuild").field("name", &self.name).field("batch", &self.plan.batch).finish_non_exhaustive()
    }
}

/// The rebuild runs in a task of its own, so that it can clean up when nobody awaits it any more.
struct CancelOnDrop(Arc<watch::Sender<bool>>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}
