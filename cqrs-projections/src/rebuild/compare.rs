//! A new generation compared with the live one, both as of the same events.

use std::sync::Arc;

use cqrs_core::{Generation, GlobalPosition, LiveGeneration, ParkedDocuments, ReadModelError, StoredDocument};
use futures::future::try_join_all;

use super::fill::Fill;
use super::pages::{Page, Pages};
use crate::batch::{FoldFailure, Folded, Planned, Share, Stored};
use crate::differences::{Differences, Side, compare};
use crate::error::{ErrorClass, ProjectionError};
use crate::error_policy::Judge;
use crate::runner::{Owner, verify};
use crate::supervisor::Projection;

/// How far the live partitions may be apart: what they are apart is folded in memory.
const APART: u64 = 100_000;

/// Why the live documents cannot be compared.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotComparable {
    /// There are none: the projection was never opened.
    #[error("no generation is live")]
    NotOpened,
    /// They are not those of this log, or another process has taken them over meanwhile.
    #[error("the live documents cannot be compared with")]
    Live(#[source] ProjectionError),
    /// Their partitions stand too far apart, as one of them has stopped.
    #[error("the live documents stand at positions {from} to {to}, which is too far apart")]
    Apart {
        /// Where the partition stands that is the furthest behind.
        from: GlobalPosition,
        /// Where the furthest stands.
        to: GlobalPosition,
    },
    /// They went back behind what was filled already: the read model has lost what it had.
    #[error("the live documents went back to position {at}")]
    WentBack {
        /// Where they stand.
        at: GlobalPosition,
    },
}

pub(super) enum Failure {
    Not(NotComparable),
    Error(ProjectionError),
}

impl From<ProjectionError> for Failure {
    fn from(error: ProjectionError) -> Self {
        Self::Error(error)
    }
}

impl From<ReadModelError> for Failure {
    fn from(error: ReadModelError) -> Self {
        Self::Error(error.into())
    }
}

/// What is wrong with the live documents, unless it passes.
fn of_live(error: impl Into<ProjectionError>) -> Failure {
    let error = error.into();
    match error.class() {
        ErrorClass::Transient => Failure::Error(error),
        _ => Failure::Not(NotComparable::Live(error)),
    }
}

/// The live partitions, taken over so that nobody writes them.
struct Taken {
    generation: LiveGeneration,
    owners: Vec<Owner>,
    stands: Vec<GlobalPosition>,
}

/// Nobody but this rebuild writes the live generation while it is compared. The partitions of the live generation stand at
/// checkpoints of their own: the new one is filled up to the one that is the furthest behind, and what the others have
/// beyond that is folded in memory.
pub(super) async fn compare_with_live(
    projection: &Arc<Projection>,
    fill: &mut Fill<'_>,
    filled: Generation,
    listed: usize,
) -> Result<Differences, Failure> {
    let live = take_live(projection).await?;
    let from = live.stands.iter().copied().min().unwrap_or(GlobalPosition::START);
    let to = live.stands.iter().copied().max().unwrap_or(GlobalPosition::START);
    if to.get() - from.get() > APART {
        return Err(Failure::Not(NotComparable::Apart { from, to }));
    }
    fill.fill_once(from).await?;
    if fill.position() > from {
        return Err(Failure::Not(NotComparable::WentBack { at: from }));
    }
    let Projection { name, model, count, .. } = &**projection;
    let mut over = Stored::new();
    let new = Side::new(&**model, name, LiveGeneration { generation: filled, partitions: *count });
    let shares = live.generation.partitions.all().map(|partition| Share { partition, after: from }).collect();
    let mut pages = Pages::new(fill.reading(live.generation.partitions, shares), from, to);
    // What is parked there stays as it is.
    let (mut parked, judge) = (fill.parked(), fill.judge());
    while let Some(page) = pages.next().await? {
        fold_ahead(&new, page, &live.stands, &mut over, &mut parked, &judge).await?;
    }
    let before = Side { stands: Some(&live.stands), ..Side::new(&**model, name, live.generation) };
    let found = compare(&before, &Side { over: Some(&over), ..new }, listed).await?;
    live.is_still_here(projection).await?;
    Ok(found)
}

async fn take_live(projection: &Projection) -> Result<Taken, Failure> {
    let Projection { name, model, store, .. } = projection;
    let generation = model.live(name).await?.ok_or(Failure::Not(NotComparable::NotOpened))?;
    let taken = generation.partitions.all().map(|partition| async move {
        let target = projection.target(generation.generation, partition);
        let (owner, checkpoint) = Owner::take(&**model, target).await.map_err(of_live)?;
        let standing = verify(store, &owner.target, checkpoint).await.map_err(of_live)?;
        Ok::<_, Failure>((owner, standing.position))
    });
    let (owners, stands) = try_join_all(taken).await?.into_iter().unzip();
    Ok(Taken { generation, owners, stands })
}

impl Taken {
    async fn is_still_here(&self, projection: &Projection) -> Result<(), Failure> {
        let here =
            self.owners.iter().cloned().map(|mut owner| async move { owner.checkpoint(&*projection.model).await });
        try_join_all(here).await.map(drop).map_err(of_live)
    }
}

/// Folds a page onto the new documents, each up to where the live partition of its key stands.
async fn fold_ahead(
    new: &Side<'_>,
    page: Page,
    stands: &[GlobalPosition],
    over: &mut Stored,
    parked: &mut ParkedDocuments,
    judge: &Judge,
) -> Result<(), ProjectionError> {
    for (Planned { plan, failed, .. }, stands) in page.plans.into_iter().zip(stands) {
        if let Some(error) = failed {
            return Err(error);
        }
        let plan = plan.before(stands.next());
        load_missing(new, plan.keys(), over).await?;
        let writes = loop {
            match plan.fold(over, parked) {
                Ok(Folded::Writes(writes)) => break writes.documents,
                Ok(Folded::Needs(keys)) => load_missing(new, &keys, over).await?,
                Err(met) => met.into_iter().try_for_each(|failure| park(parked, failure, judge))?,
            }
        };
        for write in writes {
            over.insert(write.key, StoredDocument { document: write.document, position: write.position });
        }
    }
    Ok(())
}

/// A document that would be parked stays as it is before the event.
fn park(parked: &mut ParkedDocuments, failure: FoldFailure, judge: &Judge) -> Result<(), ProjectionError> {
    match (failure.error.document(), judge.dead_letter(&failure.error)) {
        (Some(document), Some(_)) => {
            parked.documents.insert(document.to_owned(), failure.position);
            Ok(())
        }
        _ => Err(*failure.error),
    }
}

/// Takes documents of the new generation, and that there are none.
async fn load_missing(new: &Side<'_>, keys: &[String], over: &mut Stored) -> Result<(), ProjectionError> {
    let missing: Vec<_> = keys.iter().filter(|key| !over.contains_key(*key)).cloned().collect();
    let mut found = new.load(missing.clone()).await?;
    for key in missing {
        let absent = || StoredDocument { document: None, position: GlobalPosition::START };
        let document = found.remove(&key).unwrap_or_else(absent);
        over.insert(key, document);
    }
    Ok(())
}

/// Where the partition of the live generation stands that is the furthest behind; `None` when none is live.
pub(super) async fn live_stands(projection: &Projection) -> Result<Option<GlobalPosition>, ReadModelError> {
    let Some(LiveGeneration { generation, partitions }) = projection.model.live(&projection.name).await? else {
        return Ok(None);
    };
    let position = |partition| async move {
        let (_, checkpoint) = projection.model.checkpoint(&projection.target(generation, partition)).await?;
        Ok::<_, ReadModelError>(checkpoint.map_or(GlobalPosition::START, |checkpoint| checkpoint.position))
    };
    Ok(try_join_all(partitions.all().map(position)).await?.into_iter().min())
}
