//! Generations that are kept beside the live one, under names of their own.

use std::sync::Arc;

use cqrs_core::{
    AsOf, Documents, Generation, GlobalPosition, InvalidName, LiveGeneration, Partitions, ProjectionName, ReadModel,
    ReadModelError, Timestamp,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::AsOfError;
use super::moment::Moment;
use crate::differences::{Differences, LISTED, Side, compare};
use crate::note::Note;

/// A generation that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptGeneration {
    /// Under which name.
    pub name: String,
    /// Its number, by which other programs find it in the read model.
    pub generation: Generation,
    /// Over how many partitions its documents are spread.
    pub partitions: Partitions,
    /// The moment that was asked for.
    pub as_of: AsOf,
    /// The log was read up to here.
    pub position: GlobalPosition,
    /// Whether events may have come since that belong to the moment.
    pub provisional: bool,
}

/// What is noted of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptNote {
    pub(super) name: String,
    partitions: u16,
    position: GlobalPosition,
    recorded: Option<Timestamp>,
    occurred: Option<Timestamp>,
    provisional: bool,
}

impl KeptNote {
    pub(super) fn new(name: &str, partitions: Partitions, as_of: AsOf, moment: &Moment) -> Self {
        let recorded = match as_of {
            AsOf::Recorded(time) | AsOf::Bitemporal { recorded: time, .. } => Some(time),
            _ => None,
        };
        Self {
            name: name.to_owned(),
            partitions: partitions.get(),
            position: moment.position,
            recorded,
            occurred: moment.occurred,
            provisional: moment.provisional,
        }
    }

    pub(super) fn of(self, generation: Generation) -> Result<KeptGeneration, ReadModelError> {
        let Self { name, partitions, position, recorded, occurred, provisional } = self;
        let corrupt = |error| ReadModelError::Corrupt { what: format!("generation {generation}: {error}") };
        let as_of = match (recorded, occurred) {
            (Some(recorded), Some(occurred)) => AsOf::Bitemporal { occurred, recorded },
            (Some(time), None) => AsOf::Recorded(time),
            (None, Some(time)) => AsOf::Occurred(time),
            (None, None) => AsOf::Position(position),
        };
        let partitions = Partitions::new(partitions).map_err(corrupt)?;
        Ok(KeptGeneration { name, generation, partitions, as_of, position, provisional })
    }
}

/// The generations of one projection that are kept beside the live one: no rebuild drops them.
///
/// ```no_run
/// # async fn example(running: cqrs_projections::Running, redis: impl cqrs_core::ReadModel)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use cqrs_core::AsOf;
/// use cqrs_projections::KeptGenerations;
///
/// running.as_of("account-summary", AsOf::Recorded("2024-12-31T23:59:59Z".parse()?)).keep("end of 2024").await?;
///
/// let kept = KeptGenerations::new(redis, "account-summary")?;
/// let then = kept.documents::<serde_json::Value>("end of 2024").await?;
/// println!("{:?}", then.get("ACC-001").await?);
/// kept.remove("end of 2024").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KeptGenerations {
    model: Arc<dyn ReadModel>,
    projection: ProjectionName,
}

impl KeptGenerations {
    /// What is kept of `projection` in `model`.
    ///
    /// # Errors
    /// [`InvalidName`] when no projection can have this name.
    pub fn new(model: impl ReadModel, projection: &str) -> Result<Self, InvalidName> {
        Ok(Self::of(Arc::new(model), ProjectionName::new(projection)?))
    }

    pub(super) fn of(model: Arc<dyn ReadModel>, projection: ProjectionName) -> Self {
        Self { model, projection }
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// [`ReadModelError`] when the read model cannot be read.
    pub async fn list(&self) -> Result<Vec<KeptGeneration>, ReadModelError> {
        let mut kept = Vec::new();
        for generation in self.model.generations(&self.projection).await? {
            let note = self.model.note(&self.projection, generation).await?;
            if let Some(Note::Kept(note)) = note.as_deref().and_then(Note::read) {
                kept.push(note.of(generation)?);
            }
        }
        Ok(kept)
    }

    /// The documents of one.
    ///
    /// # Errors
    /// [`AsOfError::NotKept`] when there is none of this name.
    pub async fn documents<D: DeserializeOwned>(&self, name: &str) -> Result<Documents<D>, AsOfError> {
        let kept = self.find(name).await?;
        let documents = Documents::new(Arc::clone(&self.model), self.projection.as_str())?;
        Ok(documents.in_generation(kept.generation, kept.partitions))
    }

    /// What differs between two of them: added, removed, changed from what to what. Lists 1,000 documents at most, and
    /// counts all.
    ///
    /// # Errors
    /// [`AsOfError::NotKept`] when there is none of one of these names.
    pub async fn diff(&self, before: &str, after: &str) -> Result<Differences, AsOfError> {
        let (before, after) = (self.find(before).await?, self.find(after).await?);
        let side = |kept: KeptGeneration| {
            let generation = LiveGeneration { generation: kept.generation, partitions: kept.partitions };
            Side::new(&*self.model, &self.projection, generation)
        };
        Ok(compare(&side(before), &side(after), LISTED).await?)
    }

    /// Drops one with its documents.
    ///
    /// # Errors
    /// [`AsOfError::NotKept`] when there is none of this name.
    pub async fn remove(&self, name: &str) -> Result<(), AsOfError> {
        let kept = self.find(name).await?;
        Ok(self.model.drop_generation(&self.projection, kept.generation).await?)
    }

    async fn find(&self, name: &str) -> Result<KeptGeneration, AsOfError> {
        let found = self.list().await?.into_iter().find(|kept| kept.name == name);
        found.ok_or_else(|| AsOfError::NotKept { name: name.to_owned() })
    }
}
