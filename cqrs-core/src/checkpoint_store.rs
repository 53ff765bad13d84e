//! How far a reader has come, and the port that keeps it for readers without a read model of their own.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::event_store::StoreError;
use crate::failure::Failure;
use crate::id::{EventId, StoreId};
use crate::name::ProjectionName;
use crate::stream::GlobalPosition;

/// One filling of a projection's documents, counted from 1. A rebuild fills the next one beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u32);

impl Generation {
    /// The first one.
    pub const FIRST: Self = Self(1);

    /// The generation with this number, at least 1.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(if number == 0 { 1 } else { number })
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Tells owners apart: each has a larger one than those before it, and a sink refuses writes under an older one than it has
/// seen. From 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    /// The token with this number, within 1 and 2^53 - 1 (the integers that Lua and JSON keep exactly).
    #[must_use]
    pub const fn new(number: u64) -> Self {
        const MOST: u64 = (1 << 53) - 1;
        Self(if number == 0 {
            1
        } else if number > MOST {
            MOST
        } else {
            number
        })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The token after `seen`, the first one when none was seen.
    #[must_use]
    pub const fn after(seen: Option<Self>) -> Self {
        match seen {
            None => Self(1),
            Some(seen) => Self::new(seen.0 + 1),
        }
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How far a reader has come, and in which store: enough to find out at start that the store was replaced or restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The store that was read.
    pub store_id: StoreId,
    /// Everything up to here is done.
    pub position: GlobalPosition,
    /// The event at that position; `None` at the start of the log.
    pub event_id: Option<EventId>,
    /// The generation that was filled.
    pub generation: Generation,
    /// The owner that wrote the checkpoint.
    pub token: FencingToken,
}

impl Checkpoint {
    /// Checks that this checkpoint may replace the stored one: the rule of every store.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] for an older token, [`StoreError::Permanent`] when the position would go back.
    pub fn check_follows(&self, stored: &Self) -> Result<(), StoreError> {
        if self.token < stored.token {
            return Err(StoreError::Fenced { stored: stored.token.get(), offered: self.token.get() });
        }
        if self.position < stored.position {
            let back = format!("the checkpoint would go back from {} to {}", stored.position, self.position);
            return Err(StoreError::Permanent(Failure::new(back)));
        }
        Ok(())
    }
}

/// Keeps the checkpoints of readers that have no read model: reactors with side effects. A read model keeps its own.
///
/// # Contract
/// - A checkpoint is written whole or not at all, and never goes back: neither its position nor its token.
/// - One under an older token than the stored one is refused as [`StoreError::Fenced`] and changes nothing.
#[async_trait]
pub trait CheckpointStore: Send + Sync + fmt::Debug + 'static {
    /// The checkpoint of a reader.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be read.
    async fn load(&self, reader: &ProjectionName) -> Result<Option<Checkpoint>, StoreError>;

    /// Moves the checkpoint of a reader forward.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when a newer owner has written; [`StoreError::Permanent`] when the position would go back;
    /// other [`StoreError`]s when it could not be written.
    async fn save(&self, reader: &ProjectionName, checkpoint: Checkpoint) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: CheckpointStore + ?Sized> CheckpointStore for std::sync::Arc<S> {
    async fn load(&self, reader: &ProjectionName) -> Result<Option<Checkpoint>, StoreError> {
        (**self).load(reader).await
    }

    async fn save(&self, reader: &ProjectionName, checkpoint: Checkpoint) -> Result<(), StoreError> {
        (**self).save(reader, checkpoint).await
    }
}
