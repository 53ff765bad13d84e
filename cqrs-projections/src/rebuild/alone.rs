//! The certainty that no other process does the same.

use cqrs_core::{Lease, StoreError};

use super::fill::Fill;
use super::run::Failed;
use crate::error::ProjectionError;
use crate::sharing::Kept;
use crate::supervisor::Projection;

/// The certainty that no other process does the same, where partitions are shared.
pub(super) struct Alone(Option<Kept>, Lease);

impl Alone {
    /// `None` when another process is at it.
    pub(super) async fn take(projection: &Projection, lease: Lease) -> Result<Option<Self>, StoreError> {
        let Some(sharing) = &projection.sharing else {
            return Ok(Some(Self(None, lease)));
        };
        let kept = Kept::take(sharing, &projection.name, lease).await?;
        Ok(kept.map(|kept| Self(Some(kept), lease)))
    }

    pub(super) fn check(&self) -> Result<(), Failed> {
        match &self.0 {
            Some(kept) if !kept.holds() => Err(Failed::Error(ProjectionError::LeaseLost { lease: self.1 })),
            _ => Ok(()),
        }
    }

    pub(super) async fn give_back(self) {
        if let Some(kept) = self.0 {
            kept.give_back().await;
        }
    }
}

/// The certainty that nobody writes the live generation.
pub(super) async fn take_swap(projection: &Projection, fill: &mut Fill<'_>) -> Result<Alone, ProjectionError> {
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
