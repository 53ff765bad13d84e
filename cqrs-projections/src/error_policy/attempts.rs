//! How often something has failed in a row.

use cqrs_core::{GlobalPosition, ReadModelError};

use crate::error::ProjectionError;

/// Failures in a row, and what failed last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempts {
    failures: u32,
    of: Option<Place>,
}

/// The document and the event that an error is about.
type Place = (String, Option<GlobalPosition>);

impl Attempts {
    pub(crate) const fn count(&self) -> u32 {
        self.failures
    }

    /// Which attempt in a row has failed with this error: the first one, where it is about another event or document than
    /// the last.
    pub(crate) fn with(&self, error: &ProjectionError) -> u32 {
        match place(error) {
            Some(place) if self.of.as_ref() != Some(&place) => 1,
            _ => self.failures.saturating_add(1),
        }
    }

    pub(crate) fn failed(&mut self, error: &ProjectionError) {
        self.failures = self.with(error);
        if let Some(place) = place(error) {
            self.of = Some(place);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn place(error: &ProjectionError) -> Option<Place> {
    match error {
        ProjectionError::Project { key, position, .. } | ProjectionError::InvalidKey { key, position, .. } => {
            Some((key.clone(), Some(*position)))
        }
        ProjectionError::Undecodable(error) => Some((String::new(), Some(error.position))),
        ProjectionError::Document { key, .. } | ProjectionError::ReadModel(ReadModelError::Rejected { key, .. }) => {
            Some((key.clone(), None))
        }
        _ => None,
    }
}
