//! What an earlier rebuild has left behind: dropped, or gone on with where it is known to fit.

use cqrs_core::{Generation, GlobalPosition};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{ErrorClass, ProjectionError};
use crate::note::Note;
use crate::runner::verify;
use crate::supervisor::Projection;

/// What becomes of a generation that an earlier rebuild did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Resume {
    /// Gone on with when the projector declares the version that it was filled by.
    #[default]
    IfDeclared,
    /// Gone on with also when no version is declared.
    Vouched,
    /// Dropped.
    Never,
}

/// By what a generation was filled: resumed by anything else, it would mix two foldings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilledBy {
    partitions: u16,
    version: Option<u32>,
    /// A hash of the event types that are folded.
    events: String,
}

impl FilledBy {
    fn this(projection: &Projection) -> Self {
        let mut types: Vec<_> = projection.fold.event_types().into_iter().map(|one| one.to_string()).collect();
        types.sort_unstable();
        let events = format!("{:016x}", xxh3_64(types.join("\n").as_bytes()));
        Self { partitions: projection.count.get(), version: projection.fold.version(), events }
    }
}

impl Resume {
    /// Whether what this rebuild leaves behind is of use to the next one.
    pub(super) fn leaves(self, projection: &Projection) -> bool {
        match self {
            Self::Vouched => true,
            Self::IfDeclared | Self::Never => projection.fold.version().is_some(),
        }
    }

    fn takes(self, projection: &Projection) -> bool {
        self != Self::Never && self.leaves(projection)
    }
}

/// The generation that a rebuild fills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub(crate) generation: Generation,
    /// Whether documents may be in it.
    pub(crate) resumed: bool,
}

/// Takes up what an earlier rebuild has left behind, if it fits and stands nowhere beyond `at_most`, or begins anew. Drops all
/// else that nobody keeps.
pub(super) async fn begin(
    projection: &Projection,
    resume: Resume,
    at_most: GlobalPosition,
) -> Result<Begun, ProjectionError> {
    let Projection { name, model, count, .. } = projection;
    let this = Note::Rebuild(FilledBy::this(projection));
    let live = model.live(name).await?.map(|live| live.generation);
    let mut found = None;
    for generation in model.generations(name).await?.into_iter().rev().filter(|one| Some(*one) != live) {
        let fits = match model.note(name, generation).await?.as_deref().map(Note::read) {
            Some(Some(Note::Kept(_))) => continue,
            Some(None) => {
                tracing::warn!(projection = %name, "generation {generation} stays: its note is of another version");
                continue;
            }
            Some(Some(note)) => note == this && found.is_none() && resume.takes(projection),
            None => false,
        };
        if fits && stands_well(projection, generation, at_most).await? {
            found = Some(generation);
            continue;
        }
        model.drop_generation(name, generation).await?;
    }
    drop_letters(projection).await?;
    if let Some(generation) = found {
        return Ok(Begun { generation, resumed: true });
    }
    let generation = model.begin(name, *count).await?;
    if resume.leaves(projection) {
        model.annotate(name, generation, &this.write()).await?;
    }
    Ok(Begun { generation, resumed: false })
}

/// Drops the dead letters of all generations that are no more.
pub(super) async fn drop_letters(projection: &Projection) -> Result<(), ProjectionError> {
    let Projection { name, model, letters: Some(letters), .. } = projection else {
        return Ok(());
    };
    letters.retain(name, &model.generations(name).await?).await.map_err(ProjectionError::DeadLetters)
}

/// Whether the checkpoints of a generation speak of this log, and not of what is beyond a position.
async fn stands_well(
    projection: &Projection,
    generation: Generation,
    at_most: GlobalPosition,
) -> Result<bool, ProjectionError> {
    let standings = projection.count.all().map(|partition| async move {
        let target = projection.target(generation, partition);
        let (_, checkpoint) = projection.model.checkpoint(&target).await?;
        verify(&projection.store, &target, checkpoint).await
    });
    match try_join_all(standings).await {
        Ok(standings) => Ok(standings.iter().all(|standing| standing.position <= at_most)),
        Err(error) if error.class() == ErrorClass::Transient => Err(error),
        Err(error) => {
            tracing::warn!(projection = %projection.name, %error, "generation {generation} cannot be resumed");
            Ok(false)
        }
    }
}
