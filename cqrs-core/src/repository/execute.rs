//! Commands: load, decide, append, and again when another writer was faster.

use std::sync::Arc;

use backon::ExponentialBackoff;

use super::fold::{Fold, Last};
use super::{ExecuteError, LoadError, Repository};
use crate::aggregate::Handle;
use crate::command::Context;
use crate::committed::{conflict_pauses, used_elsewhere, written_by};
use crate::event_store::{Append, Appended, NewEvent};
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
        C: Send + Sync + 'static,
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
        C: Send + Sync + 'static,
    {
        let stream = StreamName::of(A::CATEGORY, id).map_err(LoadError::from)?;
        self.execute_on(&stream, Arc::new(command), context).await
    }

    /// The same for a command that may be needed again.
    pub(crate) async fn execute_on<C>(
        &self,
        stream: &StreamName,
        command: Arc<C>,
        context: Context,
    ) -> Result<Executed, ExecuteError<A::Error>>
    where
        A: Handle<C>,
        C: Send + Sync + 'static,
    {
        let command_id = context.own_command_id().unwrap_or_else(CommandId::new);
        match &self.lines {
            Some(lines) => {
                let decide = Box::new(move |state: &A| state.handle(&command));
                self.execute_in_line(lines, stream, decide, context, command_id).await
            }
            None => self.execute_alone(stream, &*command, &context, command_id).await,
        }
    }

    /// Loads, decides and appends, until no other writer was faster.
    async fn execute_alone<C>(
        &self,
        stream: &StreamName,
        command: &C,
        context: &Context,
        command_id: CommandId,
    ) -> Result<Executed, ExecuteError<A::Error>>
    where
        A: Handle<C>,
    {
        let mut pauses = self.pauses();
        loop {
            let fold = self.fold(stream, None).await?;
            let outcome = match self.decide(stream, command, context, command_id, fold).await {
                Err(conflict @ ExecuteError::Conflict { .. }) if context.expected_version().is_none() => {
                    match pauses.next() {
                        Some(pause) => {
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                        None => Err(conflict),
                    }
                }
                outcome => outcome,
            };
            return match context.given_command_id() {
                Some(id) => self.unless_repeated(stream, id, outcome).await,
                None => outcome,
            };
        }
    }

    /// Pauses between attempts of a command that met a conflict.
    pub(super) fn pauses(&self) -> ExponentialBackoff {
        conflict_pauses(self.conflict_retries)
    }

    /// The outcome of a command that may have been carried out before: what refuses it, or leaves it nothing to do, may be
    /// what it did itself.
    pub(super) async fn unless_repeated(
        &self,
        stream: &StreamName,
        command: CommandId,
        outcome: Result<Executed, ExecuteError<A::Error>>,
    ) -> Result<Executed, ExecuteError<A::Error>> {
        match &outcome {
            Ok(executed) if executed.events > 0 => outcome,
            Err(ExecuteError::Unknown { .. } | ExecuteError::Transient(_)) => outcome,
            _ => self.first_outcome(stream, command).await?.map_or(outcome, Ok),
        }
    }

    async fn decide<C>(
        &self,
        stream: &StreamName,
        command: &C,
        context: &Context,
        command_id: CommandId,
        mut fold: Fold<A>,
    ) -> Result<Executed, ExecuteError<A::Error>>
    where
        A: Handle<C>,
    {
        let found = ExpectedVersion::of(fold.version());
        if let Some(expected) = context.expected_version()
            && !expected.holds(fold.version())
        {
            return Err(ExecuteError::Conflict { stream: stream.clone(), expected, actual: fold.version() });
        }
        let events = fold.state.handle(command).map_err(ExecuteError::Domain)?;
        if events.is_empty() {
            return Ok(Executed {
                stream: stream.clone(),
                events: 0,
                version: fold.version(),
                position: fold.last.map_or(GlobalPosition::START, |last| last.position),
                repeated: false,
            });
        }
        let encoded = encode::<A>(stream, &events, context, command_id)?;
        let last_id = encoded.last().map(|event| event.id);
        let appended = self.store.append(Append::new(encoded).expect(stream.clone(), found)).await?;
        if let (Some(_), Some(event_id), false) = (&self.snapshots, last_id, appended.repeated) {
            let last = Last {
                version: appended.version(),
                position: appended.position,
                event_id,
                recorded_at: appended.recorded_at,
            };
            fold.add_written(&events, last, context.occurred().unwrap_or(appended.recorded_at));
            self.save_when_due(stream, &mut fold);
        }
        Ok(executed(stream, &appended))
    }

    /// What a command that was carried out before had led to, `None` when it never was.
    async fn first_outcome(
        &self,
        stream: &StreamName,
        command: CommandId,
    ) -> Result<Option<Executed>, ExecuteError<A::Error>> {
        let written = written_by(&*self.store, command).await?;
        if let Some(other) = written.iter().find(|event| event.stream != *stream) {
            return Err(used_elsewhere(EventId::derive(command, 0), other));
        }
        let Some(last) = written.last() else {
            return Ok(None);
        };
        Ok(Some(Executed {
            stream: stream.clone(),
            events: written.len(),
            version: Some(last.version),
            position: last.position,
            repeated: true,
        }))
    }
}

/// The events of a command, with ids that derive from its own.
pub(super) fn encode<A: crate::Apply>(
    stream: &StreamName,
    events: &[A::Event],
    context: &Context,
    command: CommandId,
) -> Result<Vec<NewEvent>, ExecuteError<A::Error>> {
    let metadata = context.metadata(command);
    let encode = |(index, event): (u32, &A::Event)| {
        let mut event = NewEvent::encode(stream.clone(), event)
            .map_err(|error| ExecuteError::Permanent(Failure::new(error)))?
            .with_id(EventId::derive(command, index))
            .with_metadata(metadata.clone());
        event.occurred_at = context.occurred();
        Ok(event)
    };
    (0u32..).zip(events).map(encode).collect()
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
