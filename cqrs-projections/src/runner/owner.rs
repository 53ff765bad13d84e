//! Taking a target over, and finding out where its documents stand.

use std::sync::Arc;

use cqrs_core::{
    Checkpoint, EventId, EventStore, FencingToken, GlobalPosition, Head, ReadAll, ReadModel, ReadModelError,
    StoreError, Target,
};

use crate::error::ProjectionError;

/// How often a token is drawn again when others draw at the same time.
const DRAWS: u32 = 16;

/// The right to write one target.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) target: Target,
    pub(crate) token: FencingToken,
    /// The newest token that was drawn for it, whether or not it was told to be stored.
    drawn: FencingToken,
    /// Whether something was sent under the token that may arrive late, and is not to be written any more then.
    doubted: bool,
}

/// Where the documents of a target stand in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) head: Head,
    pub(crate) position: GlobalPosition,
    /// The event at the position.
    pub(crate) event: Option<EventId>,
}

impl Owner {
    /// Takes a target over from whoever has it.
    pub(crate) async fn take(
        model: &dyn ReadModel,
        target: Target,
    ) -> Result<(Self, Option<Checkpoint>), ReadModelError> {
        let mut draws = 0;
        loop {
            let (newest, _) = model.checkpoint(&target).await?;
            let token = FencingToken::after(newest);
            draws += 1;
            match model.fence(&target, token).await {
                Ok(checkpoint) => {
                    let owner = Self { target, token, drawn: token, doubted: false };
                    return Ok((owner, checkpoint));
                }
                Err(ReadModelError::Fenced { .. }) if draws < DRAWS => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nobody has written to the target before this one took it.
    pub(crate) fn is_first(&self) -> bool {
        self.token == FencingToken::after(None)
    }

    /// A write has failed, and may have left the checkpoint where it stands: if it arrives late, when a document has gone on
    /// without the checkpoint, it must find a newer token.
    pub(crate) const fn doubt(&mut self) {
        self.doubted = true;
    }

    /// The checkpoint as it now is, unless somebody else has taken over.
    pub(crate) async fn checkpoint(&mut self, model: &dyn ReadModel) -> Result<Option<Checkpoint>, ReadModelError> {
        let (newest, checkpoint) = model.checkpoint(&self.target).await?;
        match newest {
            Some(stored) if stored > self.drawn => Err(ReadModelError::Fenced { stored, offered: self.token }),
            Some(stored) if stored > self.token || (stored == self.token && self.doubted) => self.renew(model).await,
            Some(stored) if stored == self.token => Ok(checkpoint),
            // The sink lost what it had: no newer owner is known to it.
            _ => model.fence(&self.target, self.token).await,
        }
    }

    /// Draws the next token. Whoever else has drawn the same one is refused, or refuses this one.
    async fn renew(&mut self, model: &dyn ReadModel) -> Result<Option<Checkpoint>, ReadModelError> {
        self.drawn = FencingToken::after(Some(self.drawn));
        let checkpoint = model.fence(&self.target, self.drawn).await?;
        self.token = self.drawn;
        self.doubted = false;
        Ok(checkpoint)
    }
}

/// Checks that a checkpoint speaks of this log.
pub(crate) async fn verify(
    store: &Arc<dyn EventStore>,
    target: &Target,
    checkpoint: Option<Checkpoint>,
) -> Result<Standing, ProjectionError> {
    // Read after the checkpoint: a log never ends before what was folded from it.
    let head = store.head().await?;
    let Some(checkpoint) = checkpoint else {
        return Ok(Standing { head, position: GlobalPosition::START, event: None });
    };
    let position = checkpoint.position;
    if checkpoint.generation != target.generation {
        let what = format!("the checkpoint of {target} names generation {}", checkpoint.generation);
        return Err(ReadModelError::Corrupt { what }.into());
    }
    if checkpoint.store_id != head.store_id {
        return Err(ProjectionError::ForeignStore { found: checkpoint.store_id, store: head.store_id });
    }
    if position > head.position {
        return Err(ProjectionError::CheckpointAhead { checkpoint: position, head: head.position });
    }
    match checkpoint.event_id {
        None if position == GlobalPosition::START => {}
        None => {
            let what = format!("the checkpoint of {target} stands at {position} without an event");
            return Err(ReadModelError::Corrupt { what }.into());
        }
        Some(folded) => {
            let found = event_at(&**store, position).await?;
            if found != Some(folded) {
                return Err(ProjectionError::HistoryChanged { position, folded, found });
            }
        }
    }
    Ok(Standing { head, position, event: checkpoint.event_id })
}

/// The event at a position, if there is one.
pub(crate) async fn event_at(store: &dyn EventStore, position: GlobalPosition) -> Result<Option<EventId>, StoreError> {
    let read = ReadAll::after(position.previous()).until(position).limit(1);
    Ok(store.read_all(read).await?.events.first().map(|event| event.id))
}
