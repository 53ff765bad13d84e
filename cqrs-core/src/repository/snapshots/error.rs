//! What somebody who asks for snapshots has to decide on.

use crate::codec::CodecError;
use crate::event_store::StoreError;
use crate::repository::LoadError;

/// Why a snapshot was not taken, or snapshots not rebuilt or pruned. Loads and commands go on without.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The repository has no [snapshot store](crate::Repository::snapshots), or its policy is
    /// [never](crate::SnapshotPolicy::NEVER) to use it.
    #[error("this repository keeps no snapshots")]
    Disabled,
    /// The aggregate could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state has no JSON form.
    #[error("the state cannot be encoded")]
    Encode(#[source] CodecError),
    /// The snapshot store could not be read or written.
    #[error("the snapshot store failed")]
    Store(#[source] StoreError),
}

impl SnapshotError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Load(LoadError::Store(error)) | Self::Store(error) => error.is_transient(),
            _ => false,
        }
    }
}
