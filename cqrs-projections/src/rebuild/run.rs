//! A rebuild from its beginning to the swap, and what is done when it does not get there.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cqrs_core::{Generation, GlobalPosition, Lease};
use futures::FutureExt;
use tokio::sync::{OwnedMutexGuard, watch};

use super::alone::Alone;
use super::compare::{NotComparable, live_stands};
use super::fill::Fill;
use super::retries::Retries;
use super::swap::{compare, swap};
use super::unfinished::{self, Begun, Resume};
use super::{Decide, Plan, Rebuilt};
use crate::differences::Differences;
use crate::error::{ErrorClass, ProjectionError};
use crate::supervisor::Projection;

/// Why there is no new generation.
pub(super) enum Failed {
    Cancelled,
    /// Another process rebuilds the projection.
    RunningElsewhere,
    /// It was compared with the live one, and is not wanted.
    Unwanted(Differences),
    NotComparable(NotComparable),
    Error(ProjectionError),
}

impl From<ProjectionError> for Failed {
    fn from(error: ProjectionError) -> Self {
        Self::Error(error)
    }
}

pub(super) async fn rebuild(
    projection: Arc<Projection>,
    _running: OwnedMutexGuard<()>,
    mut plan: Plan,
    mut cancelled: watch::Receiver<bool>,
) -> Result<Rebuilt, Failed> {
    let _shown = Shown::new(&projection);
    plan.observer.begin();
    let alone = Alone::take(&projection, Lease::Rebuild).await.map_err(|error| Failed::Error(error.into()))?;
    let Some(alone) = alone else {
        return Err(Failed::RunningElsewhere);
    };
    let keep_former = plan.keep_former;
    let mut rebuilt = fill_and_swap(&projection, plan, &alone, &mut cancelled).await;
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
    plan: Plan,
    alone: &Alone,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<Rebuilt, Failed> {
    let Plan { observer, batch, throttle, resume, listed, decide, .. } = plan;
    let begun = begin(projection, resume, decide.is_some(), cancelled).await?;
    let generation = begun.generation;
    let mut fill = Fill::new(projection, observer, batch, generation).throttled(throttle);
    match fill_compare_and_swap(
        projection,
        &mut fill,
        generation,
        decide.map(|decide| (decide, listed)),
        alone,
        cancelled,
    )
    .await
    {
        Ok(Done { former, differences }) => Ok(Rebuilt {
            generation,
            former,
            events: fill.observer().events(),
            resumed_from: begun.resumed.then(|| fill.begun()),
            differences,
            elapsed: fill.observer().elapsed(),
        }),
        Err(failed) => {
            fill.give_up_writers();
            if is_of_use(projection, resume, &failed) {
                tracing::info!(projection = %projection.name, "generation {generation} is left to be gone on with");
            } else if fill.is_owner().await {
                discard(projection, generation).await;
            }
            Err(failed)
        }
    }
}

/// A generation is live.
struct Done {
    /// The one that was before.
    former: Option<Generation>,
    differences: Option<Differences>,
}

async fn fill_compare_and_swap(
    projection: &Arc<Projection>,
    fill: &mut Fill<'_>,
    generation: Generation,
    comparing: Option<(Decide, usize)>,
    alone: &Alone,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<Done, Failed> {
    let mut differences = None;
    if let Some((decide, listed)) = comparing {
        unless(cancelled, fill.catch_up_with_live()).await?;
        let found = compare(projection, fill, generation, listed, cancelled).await?;
        // The live generation goes on meanwhile. Code that panics does not want it.
        let decide = AssertUnwindSafe(async { decide(found.clone()).await }).catch_unwind();
        if !unless(cancelled, async { Ok::<_, Failed>(decide.await.unwrap_or(false)) }).await? {
            return Err(Failed::Unwanted(found));
        }
        differences = Some(found);
    }
    unless(cancelled, fill.catch_up()).await?;
    let former = swap(projection, fill, generation, alone, cancelled).await?;
    Ok(Done { former, differences })
}

/// Whether the next rebuild can go on with what this one has filled: it was stopped with its process, or something was away
/// for too long.
fn is_of_use(projection: &Projection, resume: Resume, failed: &Failed) -> bool {
    let passes = match failed {
        Failed::Cancelled => projection.is_closed(),
        Failed::Error(error) => error.class() == ErrorClass::Transient,
        _ => false,
    };
    passes && resume.leaves(projection)
}

/// Goes on with what an earlier rebuild left behind, or begins a new generation.
async fn begin(
    projection: &Projection,
    resume: Resume,
    comparing: bool,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<Begun, Failed> {
    let mut retries = Retries::new(projection);
    loop {
        // Not cut off in the middle, where nobody would know the generation that it begins.
        match begin_once(projection, resume, comparing).await {
            Ok(begun) => return Ok(begun),
            Err(error) => unless(cancelled, retries.failed(error)).await?,
        }
    }
}

async fn begin_once(projection: &Projection, resume: Resume, comparing: bool) -> Result<Begun, ProjectionError> {
    // What stands beyond the live one cannot be compared with it.
    let at_most = if comparing { live_stands(projection).await? } else { None };
    unfinished::begin(projection, resume, at_most.unwrap_or(GlobalPosition::MAX)).await
}

/// Drops a generation that will not go live, or no longer is, with its dead letters. What cannot be dropped now, the next rebuild
/// drops.
async fn discard(projection: &Projection, generation: Generation) {
    if let Err(error) = drop_generation(projection, generation).await {
        tracing::warn!(projection = %projection.name, %error, "generation {generation} is left for the next rebuild to drop");
    }
}

async fn drop_generation(projection: &Projection, generation: Generation) -> Result<(), ProjectionError> {
    projection.model.drop_generation(&projection.name, generation).await?;
    unfinished::drop_letters(projection).await
}

pub(super) async fn unless<T, E: Into<Failed>>(
    cancelled: &mut watch::Receiver<bool>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failed> {
    tokio::select! {
        biased;
        _ = cancelled.wait_for(|cancelled| *cancelled) => Err(Failed::Cancelled),
        done = work => done.map_err(Into::into),
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
