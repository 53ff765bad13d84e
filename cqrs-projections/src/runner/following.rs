//! What a runner needs to follow the log, and how it gets it: the target, its checkpoint, a subscription.

use std::sync::Arc;

use cqrs_core::{Checkpoint, Generation, ReadModelError};
use tokio::time::Instant;

use super::cache::Cache;
use super::gathering::Gathering;
use super::letters::Letters;
use super::owner::{Owner, Standing, verify};
use super::writer::Writer;
use crate::error::ProjectionError;
use crate::supervisor::Projection;

/// What the live runners of a projection keep of the documents in memory, in bytes.
const CACHE_BYTES: usize = 16 << 20;

#[derive(Debug)]
pub(super) struct Following {
    pub(super) generation: Generation,
    pub(super) writer: Writer,
    pub(super) gathering: Gathering,
    /// When the checkpoint is to be stored for others to see, though no document has changed.
    pub(super) store_by: Option<Instant>,
}

impl Following {
    /// `None` while another generation is being made the live one.
    pub(super) async fn start(
        projection: &Projection,
        partition: u16,
        owned: &mut Option<Owner>,
    ) -> Result<Option<(Self, Standing)>, ProjectionError> {
        let Projection { fold, count, store, model, letters, batches, .. } = projection;
        let Some(generation) = generation(projection).await? else {
            return Ok(None);
        };
        let (owner, checkpoint) = own(projection, generation, partition, owned).await?;
        let standing = verify(store, &owner.target, checkpoint).await?;
        // Asked now that the target is taken: a swap that begins after this takes it away again.
        if is_held_back(projection, generation).await? {
            return Ok(None);
        }
        let letters = Letters::take_over(letters.as_ref(), &owner, standing.position).await?;
        let gathering = Gathering::new(store.subscribe(standing.position, fold.filter()).await?, *batches);
        let cache = Cache::new(CACHE_BYTES / usize::from(count.get()));
        let writer = Writer::new(Arc::clone(store), Arc::clone(model), owner, &standing, cache, letters);
        Ok(Some((Self { generation, writer, gathering, store_by: None }, standing)))
    }
}

/// The generation to write. Who shares it finds it opened, unless it was replaced by one that does not fit.
async fn generation(projection: &Projection) -> Result<Option<Generation>, ReadModelError> {
    let Projection { name, count, model, sharing, .. } = projection;
    if sharing.is_none() {
        return model.open(name, *count).await.map(Some);
    }
    let live = model.live(name).await?;
    Ok(live.filter(|live| live.partitions == *count).map(|live| live.generation))
}

async fn own(
    projection: &Projection,
    generation: Generation,
    partition: u16,
    owned: &mut Option<Owner>,
) -> Result<(Owner, Option<Checkpoint>), ReadModelError> {
    let Projection { model, sharing, .. } = projection;
    let held = match owned {
        None => None,
        // The lease is for whatever generation is live.
        Some(owner) if sharing.is_some() && owner.target.generation != generation => None,
        Some(owner) => match owner.checkpoint(&**model).await {
            Ok(checkpoint) if owner.target.generation == generation => Some((owner.clone(), checkpoint)),
            Ok(_) => None,
            Err(ReadModelError::NotFound { generation: gone }) if generation != gone => {
                // Generations only ever rise, unless the sink has lost everything. One above ours was opened in place of one
                // that was deleted, and nobody owns it yet; or somebody else has swapped it in, and owns it.
                let (newest, _) = model.checkpoint(&projection.target(generation, partition)).await?;
                if let Some(stored) = newest.filter(|_| generation > gone) {
                    return Err(ReadModelError::Fenced { stored, offered: owner.token });
                }
                None
            }
            Err(error) => return Err(error),
        },
    };
    let (owner, checkpoint) = match held {
        Some(held) => held,
        None => Owner::take(&**model, projection.target(generation, partition)).await?,
    };
    *owned = Some(owner.clone());
    Ok((owner, checkpoint))
}

/// Whether another generation is being made the live one, or is it by now.
async fn is_held_back(projection: &Projection, generation: Generation) -> Result<bool, ProjectionError> {
    let Projection { name, model, sharing: Some(sharing), .. } = projection else {
        return Ok(false);
    };
    if sharing.is_swapping(name).await? {
        return Ok(true);
    }
    Ok(model.live(name).await?.is_none_or(|live| live.generation != generation))
}
