//! Folding the whole log again, beside the live generation.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::Generation;
use tokio::sync::watch;

mod fill;
mod progress;
mod retries;
mod swap;

pub use progress::RebuildProgress;

use crate::error::ProjectionError;
use crate::supervisor::Projection;
use progress::Observer;
use swap::Failed;

/// How many events are folded and written together, unless told.
const BATCH: usize = 5_000;

/// A rebuild that begins when it is awaited.
///
/// It fills a new generation from the first event on while the live one goes on, all partitions at the same time from one
/// reading of the log, stops the runners for a moment when it has come near the end, fills the rest, makes the new
/// generation the live one for all documents at once, drops the old one unless it is to be [kept](Self::keep_former), and lets the runners go on with the new one. Readers and [`wait_for`](crate::Running::wait_for) notice nothing
/// but the new documents.
///
/// Whatever ends it before the swap (an error, [`stop`](crate::Running::stop), dropping the future) leaves the live
/// generation as it is, and drops the new one; what a crash leaves behind, the next rebuild drops.
#[must_use = "a rebuild begins when it is awaited"]
pub struct Rebuild {
    name: String,
    projection: Option<Arc<Projection>>,
    observer: Observer,
    batch: usize,
    keep_former: bool,
}

/// A rebuild that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rebuilt {
    /// The generation that is live now.
    pub generation: Generation,
    /// The one that was live before, if it was [kept](Rebuild::keep_former).
    pub former: Option<Generation>,
    /// How many events were folded.
    pub events: u64,
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
        Self { name: name.to_owned(), projection, observer: Observer::default(), batch: BATCH, keep_former: false }
    }

    /// Calls `observe` after each batch.
    pub fn progress(mut self, observe: impl FnMut(&RebuildProgress) + Send + 'static) -> Self {
        self.observer = Observer::new(observe);
        self
    }

    /// Folds and writes so many events together (5,000 unless told; 0 is taken as 1). Two more batches are read ahead.
    pub fn batch(mut self, events: usize) -> Self {
        self.batch = events.max(1);
        self
    }

    /// Does not drop the generation that was live ([`Rebuilt::former`]): it stays as it is until the next rebuild drops it, or
    /// [`drop_generation`](cqrs_core::ReadModel::drop_generation) does.
    ///
    /// To go back to it, stop the projection in all processes, make it live again by
    /// [`swap`](cqrs_core::ReadModel::swap), and start: it goes on from the checkpoint that it was left at.
    pub fn keep_former(mut self) -> Self {
        self.keep_former = true;
        self
    }

    async fn run(self) -> Result<Rebuilt, RebuildError> {
        let Self { name, projection, observer, batch, keep_former } = self;
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
        let task =
            tokio::spawn(swap::rebuild(Arc::clone(&projection), running, observer, batch, keep_former, cancelled));
        projection.rebuilds(Arc::clone(&cancel.0), task.abort_handle());
        match task.await {
            Ok(Ok(rebuilt)) => Ok(rebuilt),
            Ok(Err(Failed::Error(source))) => Err(RebuildError::Failed { name, source }),
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
        f.debug_struct("Rebuild").field("name", &self.name).field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// The rebuild runs in a task of its own, so that it can clean up when nobody awaits it any more.
struct CancelOnDrop(Arc<watch::Sender<bool>>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}
