//! What became of a command that may write to several streams, now or when it was carried out before.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::command::Context;
use crate::event_store::{Append, AppendError, Appended, EventStore, NewEvent, ReadAll};
use crate::failure::Failure;
use crate::id::{CommandId, EventId};
use crate::recorded_event::RecordedEvent;
use crate::repository::{ExecuteError, LoadError};
use crate::stream::GlobalPosition;

/// Events in a page when those of one command are read: mostly they are one or two.
const FEW: usize = 32;

/// What a command on several streams led to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// How many events were written, in one append; 0 when there was nothing to do.
    pub events: usize,
    /// The position of the last of them (of the newest event that the decision rests on, when there was nothing to do): wait
    /// for it to read your own write.
    pub position: GlobalPosition,
    /// Whether the command had been carried out before, and this time wrote nothing.
    pub repeated: bool,
}

impl Committed {
    pub(crate) const fn nothing(position: GlobalPosition) -> Self {
        Self { events: 0, position, repeated: false }
    }
}

impl From<Appended> for Committed {
    fn from(appended: Appended) -> Self {
        Self { events: appended.versions.len(), position: appended.position, repeated: appended.repeated }
    }
}

/// A command without the command: who asks, and under which id.
pub(crate) struct Asked {
    context: Context,
    id: CommandId,
}

impl Asked {
    /// # Errors
    /// [`ExecuteError::Permanent`] when the context expects a version: it does not say of which stream.
    pub fn new<E: std::error::Error + Send + Sync + 'static>(context: Context) -> Result<Self, ExecuteError<E>> {
        if context.expected_version().is_some() {
            let which = "a version is expected, but a command on several streams does not say of which";
            return Err(ExecuteError::Permanent(Failure::new(which)));
        }
        let id = context.given_command_id().unwrap_or_else(CommandId::new);
        Ok(Self { context, id })
    }

    /// The append of these events, with ids that derive from the command's own.
    pub fn append(&self, events: Vec<NewEvent>) -> Append {
        let metadata = self.context.metadata(self.id);
        let events = (0u32..).zip(events).map(|(index, event)| {
            let mut event = event.with_id(EventId::derive(self.id, index)).with_metadata(metadata.clone());
            event.occurred_at = self.context.occurred();
            event
        });
        Append::new(events.collect())
    }

    /// The outcome of a command that may have been carried out before: what refuses it, or leaves it nothing to do, may be
    /// what it did itself. `is_own` knows its events.
    pub async fn unless_repeated<E: std::error::Error + Send + Sync + 'static>(
        &self,
        store: &dyn EventStore,
        is_own: impl Fn(&RecordedEvent) -> bool,
        outcome: Result<Committed, ExecuteError<E>>,
    ) -> Result<Committed, ExecuteError<E>> {
        match (&outcome, self.context.given_command_id()) {
            (_, None) | (Err(ExecuteError::Unknown { .. } | ExecuteError::Transient(_)), _) => return outcome,
            (Ok(committed), _) if committed.events > 0 => return outcome,
            _ => {}
        }
        let written = written_by(store, self.id).await?;
        if let Some(other) = written.iter().find(|event| !is_own(event)) {
            return Err(used_elsewhere(EventId::derive(self.id, 0), other));
        }
        match written.last() {
            None => outcome,
            Some(last) => Ok(Committed { events: written.len(), position: last.position, repeated: true }),
        }
    }
}

/// Pauses between attempts of a command that met a conflict.
pub(crate) fn conflict_pauses(retries: usize) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(1))
        .with_max_delay(Duration::from_millis(100))
        .with_max_times(retries)
        .with_jitter()
        .build()
}

/// The events that a command wrote, in order; none when it wrote nothing.
pub(crate) async fn written_by<E: std::error::Error + Send + Sync + 'static>(
    store: &dyn EventStore,
    command: CommandId,
) -> Result<Vec<RecordedEvent>, ExecuteError<E>> {
    let Some(first) = store.outcome(&[EventId::derive(command, 0)]).await? else {
        return Ok(Vec::new());
    };
    // In the log, where its events follow each other: a stream may have been truncated since.
    let mut read = ReadAll::after(first.first_position.previous()).limit(FEW);
    let mut ids = (0u32..).map(|index| EventId::derive(command, index));
    let mut written = Vec::new();
    loop {
        let page = store.read_all(read.clone()).await.map_err(LoadError::from)?;
        for event in page.events {
            if ids.next() != Some(event.id) {
                return Ok(written);
            }
            written.push(event);
        }
        if !page.more {
            return Ok(written);
        }
        read.after = page.scanned_to;
    }
}

/// The command id belongs to a command on something else: says on what.
pub(crate) fn used_elsewhere<E: std::error::Error + Send + Sync + 'static>(
    id: EventId,
    event: &RecordedEvent,
) -> ExecuteError<E> {
    let reused = AppendError::EventIdReused { id, stream: event.stream.clone(), version: event.version };
    ExecuteError::Permanent(Failure::new(reused))
}
