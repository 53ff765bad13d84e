//! Commands: load, decide, append, and again when another writer was faster.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::fold::{Fold, Last};
use super::{ExecuteError, LoadError, Repository};
use crate::aggregate::Handle;
use crate::command::Context;
use crate::event_store::{Append, AppendError, Appended, NewEvent, ReadAll, ReadStream};
use crate::failure::Failure;
use crate::id::{CommandId, EventId};
use crate::name::StreamName;
use crate::stream::{ExpectedVersion, GlobalPosition, Version};

/// What a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// The aggregate's stream.
    pub stream: StreamName,
    /// How many events were written; 0 when there was nothing to do.
    pub events: usize,
    /// The aggregate's version after them, `None` when it still has no event.
    pub version: Option<Version>,
    /// The position of the last of them (of the aggregate's newest event, when there was nothing to do): wait for it to
    /// read your own write.
    pub position: GlobalPosition,
    /// Whether the command had been carried out before, and this time wrote nothing.
    pub repeated: bool,
}

impl<A: crate::Apply> Repository<A> {
    /// Carries out a command: loads the aggregate, lets it decide, and appends what happened.
    ///
    /// # Errors
    /// See [`ExecuteError`]: each variant is a decision for the caller.
    pub async fn execute<C>(&self, id: &A::Id, command: C) -> Result<Executed, ExecuteError<A::Error>>
    where
        A: Handle<C>,
    {
        self.execute_with(id, command, Context::new()).await
    }

    /// Carries out a command as [`execute`](Self::execute) does, with who, why, when, and an id of its own.
    ///
    /// # Errors
    /// See [`ExecuteError`]: each variant is a decision for the caller.
    pub async fn execute_with<C>(
        &self,
        id: &A::Id,
        command: C,
        context: Context,
    ) -> Result<Executed, ExecuteError<A::Error>>
    where
        A: Handle<C>,
    {
        let stream = StreamName::of(A::CATEGORY, id).map_err(LoadError::from)?;
        let given = context.given_command_id();
        let command_id = given.unwrap_or_else(CommandId::new);
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(1))
            .with_max_delay(Duration::from_millis(100))
            .with_max_times(self.conflict_retries)
            .with_jitter()
            .build();
        loop {
            let fold = self.fold(&stream, None).await?;
            let (error, retry) = match self.decide(&stream, &command, &context, command_id, fold).await {
                Ok(executed) if executed.events > 0 || given.is_none() => return Ok(executed),
                Ok(nothing_to_do) => {
                    let first = self.first_outcome(&stream, command_id).await?;
                    return Ok(first.unwrap_or(nothing_to_do));
                }
                Err(Refused::Final(error)) => (error, false),
                Err(Refused::Conflict(error)) => (error, context.expected_version().is_none()),
            };
            // What refuses the command may be what the same command did before.
            if given.is_some()
                && !retry
                && !matches!(error, ExecuteError::Unknown { .. } | ExecuteError::Transient(_))
                && let Some(first) = self.first_outcome(&stream, command_id).await?
            {
                return Ok(first);
            }
            match pauses.next() {
                Some(pause) if retry => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    async fn decide<C>(
        &self,
        stream: &StreamName,
        command: &C,
        context: &Context,
        command_id: CommandId,
        mut fold: Fold<A>,
    ) -> Result<Executed, Refused<A::Error>>
    where
        A: Handle<C>,
    {
        let found = ExpectedVersion::of(fold.version());
        if let Some(expected) = context.expected_version()
            && !expected.holds(fold.version())
        {
            return Err(Refused::Conflict(ExecuteError::Conflict {
                stream: stream.clone(),
                expected,
                actual: fold.version(),
            }));
        }
        let events = fold.state.handle(command).map_err(|error| Refused::Final(ExecuteError::Domain(error)))?;
        if events.is_empty() {
            return Ok(Executed {
                stream: stream.clone(),
                events: 0,
                version: fold.version(),
                position: fold.last.map_or(GlobalPosition::START, |last| last.position),
                repeated: false,
            });
        }
        let append =
            encode::<A>(stream, &events, context, command_id).map_err(Refused::Final)?.expect(stream.clone(), found);
        let last_id = append.events.last().map(|event| event.id);
        let appended = match self.store.append(append).await {
            Ok(appended) => appended,
            Err(error @ AppendError::Conflict { .. }) => return Err(Refused::Conflict(error.into())),
            Err(error) => return Err(Refused::Final(error.into())),
        };
        if let (Some(snapshots), Some(event_id), false) = (&self.snapshots, last_id, appended.repeated) {
            let last = Last {
                version: appended.version(),
                position: appended.position,
                event_id,
                recorded_at: appended.recorded_at,
            };
            fold.add_written(&events, last, context.occurred().unwrap_or(appended.recorded_at));
            snapshots.save_when_due(stream, &fold);
        }
        Ok(executed(stream, &appended))
    }

    /// What a command that was carried out before had led to, `None` when it never was.
    async fn first_outcome(
        &self,
        stream: &StreamName,
        command: CommandId,
    ) -> Result<Option<Executed>, ExecuteError<A::Error>> {
        let first_id = EventId::derive(command, 0);
        let Some(first) = self.store.outcome(&[first_id]).await? else {
            return Ok(None);
        };
        let read = ReadStream::new(stream.clone()).from(first.version());
        let page = self.store.read_stream(read).await.map_err(LoadError::from)?;
        let ours =
            |index: usize, id: EventId| u32::try_from(index).is_ok_and(|index| EventId::derive(command, index) == id);
        let written: Vec<_> =
            page.events.iter().enumerate().take_while(|(index, event)| ours(*index, event.id)).collect();
        let Some((_, last)) = written.last() else {
            return Err(self.used_elsewhere(first_id, &first).await?);
        };
        Ok(Some(Executed {
            stream: stream.clone(),
            events: written.len(),
            version: Some(last.version),
            position: last.position,
            repeated: true,
        }))
    }

    /// The command id belongs to a command on another aggregate: says on which.
    async fn used_elsewhere(&self, id: EventId, at: &Appended) -> Result<ExecuteError<A::Error>, LoadError> {
        let read = ReadAll::after(at.first_position.previous()).until(at.first_position).limit(1);
        let found = self.store.read_all(read).await?.events.pop();
        let reused = found.map(|event| AppendError::EventIdReused { id, stream: event.stream, version: event.version });
        Ok(ExecuteError::Permanent(reused.map_or_else(|| Failure::new("the command id is in use"), Failure::new)))
    }
}

/// Why a decision was not written: for good, or because another writer was faster.
enum Refused<E: std::error::Error + Send + Sync + 'static> {
    Final(ExecuteError<E>),
    Conflict(ExecuteError<E>),
}

fn encode<A: crate::Apply>(
    stream: &StreamName,
    events: &[A::Event],
    context: &Context,
    command: CommandId,
) -> Result<Append, ExecuteError<A::Error>> {
    let metadata = context.metadata(command);
    let mut append = Append::new(Vec::with_capacity(events.len()));
    for (index, event) in (0u32..).zip(events) {
        let mut event = NewEvent::encode(stream.clone(), event)
            .map_err(|error| ExecuteError::Permanent(Failure::new(error)))?
            .with_id(EventId::derive(command, index))
            .with_metadata(metadata.clone());
        event.occurred_at = context.occurred();
        append.events.push(event);
    }
    Ok(append)
}

fn executed(stream: &StreamName, appended: &Appended) -> Executed {
    Executed {
        stream: stream.clone(),
        events: appended.versions.len(),
        version: Some(appended.version()),
        position: appended.position,
        repeated: appended.repeated,
    }
}
