//! The moments in which the runners pause: the comparison with the live generation, and the swap.

use std::sync::Arc;

use cqrs_core::{Generation, LiveGeneration, ReadModelError};
use futures::future::try_join_all;
use tokio::sync::watch;

use super::alone::{Alone, take_swap};
use super::compare::{Failure, compare_with_live};
use super::fill::Fill;
use super::retries::Retries;
use super::run::{Failed, unless};
use crate::differences::Differences;
use crate::error::ProjectionError;
use crate::note::Note;
use crate::runner::Owner;
use crate::supervisor::{Ending, Projection};

/// Pauses the runners while the two generations are compared. They go on with the live one, unless they were not running
/// before either.
pub(super) async fn compare(
    projection: &Arc<Projection>,
    fill: &mut Fill<'_>,
    generation: Generation,
    listed: usize,
    cancelled: &mut watch::Receiver<bool>,
) -> Result<Differences, Failed> {
    let swapping = unless(cancelled, take_swap(projection, fill)).await?;
    let were_running = projection.end(Ending::Pause).await;
    let throttle = fill.set_throttle(None);
    let compared = unless(cancelled, compare_paused(projection, fill, generation, listed)).await;
    fill.set_throttle(throttle);
    swapping.give_back().await;
    projection.changed.notify_one();
    projection.resume_if(|partition| were_running.contains(&partition));
    compared
}

async fn compare_paused(
    projection: &Arc<Projection>,
    fill: &mut Fill<'_>,
    generation: Generation,
    listed: usize,
) -> Result<Differences, Failed> {
    loop {
        match compare_with_live(projection, fill, generation, listed).await {
            Ok(found) => return Ok(found),
            Err(Failure::Not(reason)) => return Err(Failed::NotComparable(reason)),
            Err(Failure::Error(error)) => fill.failed(error).await?,
        }
    }
}

/// Pauses the runners, fills the rest, and makes the new generation the live one. The runners go on in any case, with
/// whatever generation is live then, unless they were not running before either. Those of other processes notice by
/// themselves: the fences end them, and they do not start again as long as the lease of the swap is held.
pub(super) async fn swap(
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

/// Nobody writes the live generation from now on. The new one comes to the end of the log, and so is not behind it.
async fn fill_rest(projection: &Projection, fill: &mut Fill<'_>) -> Result<Option<Generation>, ProjectionError> {
    let former = loop {
        match fence_live(projection).await {
            Ok(former) => break former,
            Err(error) => fill.retries.failed(error.into()).await?,
        }
    };
    fill.set_throttle(None);
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
    let make_live = async || {
        // Once it is replaced and could not be dropped, no rebuild takes it for one that was killed.
        model.annotate(name, generation, &Note::Live.write()).await?;
        model.swap(name, generation).await
    };
    while let Err(error) = make_live().await {
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
