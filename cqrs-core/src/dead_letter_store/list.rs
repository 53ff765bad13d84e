//! Which letters to list, and how many there are.

use super::letter::{DeadLetter, DeadLetterId, DeadLetterState};
use crate::checkpoint_store::Generation;
use crate::name::ProjectionName;
use crate::stream::GlobalPosition;

/// How many letters a page holds unless told.
const PAGE: usize = 100;

/// Some of the letters of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListDeadLetters {
    /// The projection.
    pub projection: ProjectionName,
    /// Only of this generation.
    pub generation: Option<Generation>,
    /// Only of this document.
    pub document: Option<String>,
    /// Only those that stand so.
    pub state: Option<DeadLetterState>,
    /// Only those after this one.
    pub after: Option<(GlobalPosition, DeadLetterId)>,
    /// Letters in the page at most, at least 1; 100 unless told.
    pub limit: usize,
}

impl ListDeadLetters {
    /// All letters of a projection.
    #[must_use]
    pub const fn new(projection: ProjectionName) -> Self {
        Self { projection, generation: None, document: None, state: None, after: None, limit: PAGE }
    }

    /// Only of this generation.
    #[must_use]
    pub const fn generation(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Only of the document with this key.
    #[must_use]
    pub fn document(mut self, key: impl Into<String>) -> Self {
        self.document = Some(key.into());
        self
    }

    /// Only those that stand so.
    #[must_use]
    pub const fn state(mut self, state: DeadLetterState) -> Self {
        self.state = Some(state);
        self
    }

    /// Only those after `letter`: the last one of the page before.
    #[must_use]
    pub const fn after(mut self, letter: &DeadLetter) -> Self {
        self.after = Some((letter.event.position, letter.id));
        self
    }

    /// At most `limit` letters (0 is taken as 1).
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

/// A page of letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetterPage {
    /// The letters, in the order of their positions.
    pub letters: Vec<DeadLetter>,
    /// Whether there may be more: go on after the last one.
    pub more: bool,
}

/// How many letters wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeadLetterCount {
    /// Documents that are parked.
    pub documents: u64,
    /// Letters of documents.
    pub letters: u64,
    /// Letters without document.
    pub without_document: u64,
}
