//! A rebuild from its beginning to the swap, and what is done when it does not get there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cqrs_core::{Generation, Lease, LiveGeneration, ReadModelError, StoreError};
use futures::future::try_join_all;
use tokio::sync::{OwnedMutexGuard, watch};

use super::Rebuilt;
use super::fill::Fill;
use super::progress::Observer;
use super::retries::Retries;
use crate::error::ProjectionError;
use crate::runner::Owner;
use crate::sharing::Kept;
use crate::supervisor::{Ending, Projection};

/// Why there is no new generation.
pub(super) enum Failed {
    Cancelled,
    /// Another process rebuilds the projection.
    RunningElsewhere,
    Error(ProjectionError),
}

pub(super) async fn rebuild(
    projection: Arc<Projection>,
    _running: OwnedMutexGuard<()>,
    mut observer: Observer,
    batch: usize,
    keep_former: bool,
    mut cancelled: watch::Receiver<bool>,
) -> Result<Rebuilt, Failed> {
    let _shown = Shown::new(&projection);
    observer.begin();
    let alone = Alone::take(&projection, Lease::Rebuild).await.map_err(|error| Failed::Error(error.into()))?;
    let Some(alone) = alone else {
        return Err(Failed::RunningElsewhere);
    };
    let mut rebuilt = fill_and_swap(&projection, observer, batch, &alone, &mut cancelled).await;
    if let Ok(rebuilt) = &mut rebuilt
        && !keep_former
        && let Some(former) = rebuilt.former.take()
    {
        discard(&projection, former).await;
    }
    alone.give_back().await;
    rebuilt
}

async fn fill_and_swap(
    projection: &Arc<Projection>,
    observer: Observer,
    batch: usize,
    alone: &Alone,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<Rebuilt, Failed> {
    let begun = begin(projection, cancelled).await?;
    let mut fill = Fill::new(projection, observer, batch, begun);
    let done = match unless(cancelled, fill.catch_up()).await {
        Ok(()) => swap(projection, &mut fill, begun, alone, cancelled).await,
        Err(failed) => Err(failed),
    };
    match done {
        Ok(former) => {
            let (events, elapsed) = (fill.observer().events(), fill.observer().elapsed());
            Ok(Rebuilt { generation: begun, former, events, elapsed })
        }
        Err(failed) => {
            discard(projection, begun).await;
            Err(failed)
        }
    }
}

/// The certainty that no other process does the same, where partitions are shared.
struct Alone(Option<Kept>, Lease);

impl Alone {
    /// `None` when another process is at it.
    async fn take(projection: &Projection, lease: Lease) -> Result<Option<Self>, StoreError> {
        let Some(sharing) = &projection.sharing else {
            return Ok(Some(Self(None, lease)));
        };
        let kept = Kept::take(sharing, &projection.name, lease).await?;
        Ok(kept.map(|kept| Self(Some(kept), lease)))
    }

    fn check(&self) -> Result<(), Failed> {
        match &self.0 {
            Some(kept) if !kept.holds() => Err(Failed::Error(ProjectionError::LeaseLost { lease: self.1 })),
            _ => Ok(()),
        }
    }

    async fn give_back(self) {
        if let Some(kept) = self.0 {
            kept.give_back().await;
        }
    }
}

/// Drops what earlier rebuilds left behind, and begins a new generation.
async fn begin(projection: &Projection, cancelled: &mut watch::Receiver<bool>) -> Result<Generation, Failed> {
    let mut retries = Retries::new(projection);
    loop {
        // Not cut off in the middle, where nobody would know the generation that it begins.
        match begin_once(projection).await {
            Ok(generation) => return Ok(generation),
            Err(error) => unless(cancelled, retries.failed(error.into())).await?,
        }
    }
}

async fn begin_once(projection: &Projection) -> Result<Generation, ReadModelError> {
    let Projection { name, model, count, .. } = projection;
    let live = model.live(name).await?.map(|live| live.generation);
    for generation in model.generations(name).await? {
        if Some(generation) != live {
            model.drop_generation(name, generation).await?;
        }
    }
    model.begin(name, *count).await
}

/// Pauses the runners, fills the rest, and makes the new generation the live one. The runners go on in any case, with
/// whatever generation is live then, unless they were not running before either. Those of other processes notice by
/// themselves: the fences end them, and they do not start again as long as the lease of the swap is held.
async fn swap(
    projection: &Arc<Projection>,
    fill: &mut Fill<'_>,
    generation: Generation,
    alone: &Alone,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<Option<Generation>, Failed> {
    let swapping = unless(cancelled, take_swap(projection, fill)).await?;
    let were_running = projection.end(Ending::Pause).await;
    let filled = unless(cancelled, fill_rest(projection, fill)).await;
    let swapped = match filled {
        Ok(former) => match alone.check().and_then(|()| swapping.check()) {
            Ok(()) => make_live(projection, generation, cancelled).await.map(|()| former),
            Err(failed) => Err(failed),
        },
        Err(failed) => Err(failed),
    };
    swapping.give_back().await;
    projection.changed.notify_one();
    match swapped {
        Ok(_) => projection.resume(),
        Err(_) => projection.resume_if(|partition| were_running.contains(&partition)),
    }
    swapped
}

async fn take_swap(projection: &Projection, fill: &mut Fill<'_>) -> Result<Alone, ProjectionError> {
    loop {
        let failed = match Alone::take(projection, Lease::Swap).await {
            Ok(Some(swapping)) => return Ok(swapping),
            // A rebuild that died has left it behind.
            Ok(None) => ProjectionError::LeaseLost { lease: Lease::Swap },
            Err(error) => error.into(),
        };
        fill.retries.failed(failed).await?;
    }
}

/// Nobody writes the live generation from now on. The new one comes to the end of the log, and so is not behind it.
async fn fill_rest(projection: &Projection, fill: &mut Fill<'_>) -> Result<Option<Generation>, ProjectionError> {
    let former = loop {
        match fence_live(projection).await {
            Ok(former) => break former,
            Err(error) => fill.retries.failed(error.into()).await?,
        }
    };
    fill.finish().await?;
    Ok(former)
}

async fn fence_live(projection: &Projection) -> Result<Option<Generation>, ReadModelError> {
    let Some(LiveGeneration { generation, partitions }) = projection.model.live(&projection.name).await? else {
        return Ok(None);
    };
    let fences = partitions.all().map(|partition| projection.target(generation, partition));
    let fences =
        fences.map(|target| async move {
            match Owner::take(&*projection.model, target).await {
                // What is wrong with it is why it is being replaced.
                Ok(_)
                | Err(
                    ReadModelError::Mismatch { .. } | ReadModelError::Corrupt { .. } | ReadModelError::NotFound { .. },
                ) => Ok(()),
                Err(error) => Err(error),
            }
        });
    try_join_all(fences).await.map(|_| Some(generation))
}

async fn make_live(
    projection: &Projection,
    generation: Generation,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<(), Failed> {
    let Projection { name, model, .. } = projection;
    let mut retries = Retries::new(projection);
    while let Err(error) = model.swap(name, generation).await {
        if let Err(failed) = unless(cancelled, retries.failed(error.into())).await {
            // It may have happened although no answer came.
            return match model.live(name).await {
                Ok(Some(live)) if live.generation == generation => Ok(()),
                _ => Err(failed),
            };
        }
    }
    Ok(())
}

/// Drops a generation that will not go live, or no longer is. What cannot be dropped now, the next rebuild drops.
async fn discard(projection: &Projection, generation: Generation) {
    if let Err(error) = projection.model.drop_generation(&projection.name, generation).await {
        tracing::warn!(projection = %projection.name, %error, "generation {generation} is left for the next rebuild to drop");
    }
}

async fn unless<T>(
    cancelled: &mut watch::Receiver<bool>,
    work: impl Future<Output = Result<T, ProjectionError>>,
) -> Result<T, Failed> {
    tokio::select! {
        biased;
        _ = cancelled.wait_for(|cancelled| *cancelled) => Err(Failed::Cancelled),
        done = work => done.map_err(Failed::Error),
    }
}

/// Shows in the status that a rebuild is running.
struct Shown<'a>(&'a Projection);

impl<'a> Shown<'a> {
    fn new(projection: &'a Projection) -> Self {
        projection.rebuilding.store(true, Ordering::Relaxed);
        Self(projection)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.rebuilding.store(false, Ordering::Relaxed);
    }
}
