//! Filling a generation with the documents of a moment, to be kept.

use std::fmt;
use std::sync::Arc;

use cqrs_core::{AsOf, InvalidName, Lease};

use super::AsOfError;
use super::kept::{KeptGeneration, KeptGenerations, KeptNote};
use super::moment::Moment;
use crate::note::Note;
use crate::rebuild::{BATCH, Fill, Observer, RebuildProgress};
use crate::sharing::Kept;
use crate::supervisor::Projection;

/// A moment of a projection that is to be [kept](Self::keep).
#[must_use = "nothing is folded before it is kept"]
pub struct KeepAsOf {
    name: String,
    projection: Option<Arc<Projection>>,
    as_of: AsOf,
    observer: Observer,
}

impl KeepAsOf {
    pub(crate) fn new(name: &str, projection: Option<Arc<Projection>>, as_of: AsOf) -> Self {
        Self { name: name.to_owned(), projection, as_of, observer: Observer::default() }
    }

    /// Calls `observe` after each batch.
    pub fn progress(mut self, observe: impl FnMut(&RebuildProgress) + Send + 'static) -> Self {
        self.observer = Observer::new(observe);
        self
    }

    /// Folds the log up to the moment into a generation of its own in the projection's read model, and keeps it there under
    /// this name (1 to 128 bytes without control characters) until it is [removed](KeptGenerations::remove): no rebuild drops
    /// it. The live generation goes on. What is dropped or killed before the end leaves a generation behind that the next
    /// rebuild drops.
    ///
    /// # Errors
    /// [`AsOfError`]: [`NameTaken`](AsOfError::NameTaken), [`BeingRebuilt`](AsOfError::BeingRebuilt) while the projection is
    /// rebuilt, [`Version`](AsOfError::Version) for a version, [`Failed`](AsOfError::Failed) when store or read model fail.
    pub async fn keep(self, name: &str) -> Result<KeptGeneration, AsOfError> {
        check(name)?;
        let Some(projection) = self.projection else {
            return Err(AsOfError::UnknownProjection { name: self.name });
        };
        let being_rebuilt = || AsOfError::BeingRebuilt { name: self.name.clone() };
        let _alone_here = Arc::clone(&projection.rebuild).try_lock_owned().map_err(|_| being_rebuilt())?;
        let alone = match &projection.sharing {
            Some(sharing) => {
                Some(Kept::take(sharing, &projection.name, Lease::Rebuild).await?.ok_or_else(being_rebuilt)?)
            }
            None => None,
        };
        let kept = fill(&projection, self.observer, self.as_of, name).await;
        if let Some(alone) = alone {
            alone.give_back().await;
        }
        kept
    }
}

async fn fill(
    projection: &Arc<Projection>,
    mut observer: Observer,
    as_of: AsOf,
    kept_as: &str,
) -> Result<KeptGeneration, AsOfError> {
    let Projection { name, model, store, count, .. } = &**projection;
    let others = KeptGenerations::of(Arc::clone(model), name.clone()).list().await?;
    if others.iter().any(|other| other.name == kept_as) {
        return Err(AsOfError::NameTaken { name: kept_as.to_owned() });
    }
    let moment = Moment::of(&**store, as_of).await?;
    observer.begin();
    let generation = model.begin(name, *count).await?;
    let note = KeptNote::new(kept_as, *count, as_of, &moment);
    let filled = async {
        let mut fill = Fill::new(projection, observer, BATCH, generation).occurred(moment.occurred).strict();
        fill.fill(moment.position).await?;
        model.annotate(name, generation, &Note::Kept(note.clone()).write()).await?;
        Ok::<_, AsOfError>(())
    };
    match filled.await {
        Ok(()) => Ok(note.of(generation)?),
        Err(error) => {
            if let Err(error) = model.drop_generation(name, generation).await {
                tracing::warn!(projection = %name, %error, "generation {generation} is left for the next rebuild to drop");
            }
            Err(error)
        }
    }
}

fn check(name: &str) -> Result<(), InvalidName> {
    let reason = if name.is_empty() || name.len() > 128 {
        "it is not 1 to 128 bytes long"
    } else if name.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(InvalidName { kind: "kept generation", value: name.chars().take(80).collect(), reason })
}

impl fmt::Debug for KeepAsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepAsOf").field("name", &self.name).field("as_of", &self.as_of).finish_non_exhaustive()
    }
}
