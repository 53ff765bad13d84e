//! Why there are no documents of the past.

use cqrs_core::{InvalidName, ReadModelError, StoreError};

use crate::error::ProjectionError;

/// Why a past moment of a read model was not folded, kept or compared.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AsOfError {
    /// A version is a moment of one stream; a read model is folded from the whole log.
    #[error("a version is no moment of a read model: ask for a position or a time")]
    Version,
    /// There is no projection of this name.
    #[error("there is no projection {name:?}")]
    UnknownProjection {
        /// The name.
        name: String,
    },
    /// Nothing can be kept under this name.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// Something is kept under this name already.
    #[error("a generation is kept as {name:?} already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Nothing is kept under this name.
    #[error("no generation is kept as {name:?}")]
    NotKept {
        /// The name.
        name: String,
    },
    /// The projection is being rebuilt, here or in another process.
    #[error("projection {name} is being rebuilt")]
    BeingRebuilt {
        /// The projection.
        name: String,
    },
    /// Store or read model failed, or an event cannot be folded.
    #[error("the past could not be folded")]
    Failed(#[source] ProjectionError),
}

impl From<ProjectionError> for AsOfError {
    fn from(error: ProjectionError) -> Self {
        Self::Failed(error)
    }
}

impl From<ReadModelError> for AsOfError {
    fn from(error: ReadModelError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for AsOfError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
