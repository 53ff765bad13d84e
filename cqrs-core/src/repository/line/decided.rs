//! A batch of commands, decided one after the other: pure.

use super::Waiting;
use crate::aggregate::Apply;
use crate::event_store::{Append, Appended};
use crate::failure::Failure;
use crate::name::StreamName;
use crate::repository::execute::encode;
use crate::repository::fold::{Fold, Last};
use crate::repository::{ExecuteError, Executed};
use crate::stream::{ExpectedVersion, GlobalPosition};

/// What a command decided, before it is written.
pub(super) enum Decided<A: Apply> {
    /// So many events.
    Events(usize),
    /// There is nothing to do.
    Nothing,
    /// It is refused, on the state that it found.
    Refused(ExecuteError<A::Error>),
}

pub(super) struct Batch<A: Apply> {
    /// One for each command.
    pub decided: Vec<Decided<A>>,
    /// The state after all of them.
    pub fold: Fold<A>,
    /// All of their events; without any there is nothing to write.
    pub append: Append,
}

impl<A: Apply> Batch<A> {
    pub fn decide(stream: &StreamName, found: &Fold<A>, commands: &[Waiting<A>]) -> Self {
        let mut batch =
            Self { decided: Vec::with_capacity(commands.len()), fold: found.clone(), append: Append::new(Vec::new()) };
        let head = ExpectedVersion::of(found.version());
        batch.append = batch.append.expect(stream.clone(), head);
        for command in commands {
            let decided = batch.add(stream, found, command);
            batch.decided.push(decided.unwrap_or_else(Decided::Refused));
        }
        batch
    }

    fn add(
        &mut self,
        stream: &StreamName,
        found: &Fold<A>,
        command: &Waiting<A>,
    ) -> Result<Decided<A>, ExecuteError<A::Error>> {
        let written = self.append.events.len() as u64;
        let version = match found.version() {
            Some(version) => Some(version.plus(written)),
            None => crate::Version::new(written),
        };
        if let Some(expected) = command.context.expected_version()
            && !expected.holds(version)
        {
            return Err(ExecuteError::Conflict { stream: stream.clone(), expected, actual: version });
        }
        let events = (command.decide)(&self.fold.state).map_err(ExecuteError::Domain)?;
        if events.is_empty() {
            return Ok(Decided::Nothing);
        }
        let encoded = encode::<A>(stream, &events, &command.context, command.command_id)?;
        let count = encoded.len();
        for event in &events {
            self.fold.apply(event);
        }
        if let Some(occurred) = command.context.occurred() {
            self.fold.happened_until = self.fold.happened_until.max(occurred);
        }
        self.append.events.extend(encoded);
        Ok(Decided::Events(count))
    }

    /// The state is now that of the log: its last event stands where the append says.
    pub fn committed(&mut self, commands: &[Waiting<A>], appended: &Appended) {
        let now = |command: &Waiting<A>| command.context.occurred().is_none();
        if commands.iter().any(now) {
            self.fold.happened_until = self.fold.happened_until.max(appended.recorded_at);
        }
        if let Some(event) = self.append.events.last() {
            self.fold.now_at(Last {
                version: appended.version(),
                position: appended.position,
                event_id: event.id,
                recorded_at: appended.recorded_at,
            });
        }
    }
}

/// What each command is answered once its batch is written, or, without events, once the state is known to be right.
pub(super) fn outcomes<A: Apply>(
    stream: &StreamName,
    found: &Fold<A>,
    decided: Vec<Decided<A>>,
    appended: Option<&Appended>,
) -> Vec<Result<Executed, ExecuteError<A::Error>>> {
    let mut done = 0;
    let mut version = found.version();
    let mut position = found.last.map_or(GlobalPosition::START, |last| last.position);
    let outcome = |decided: Decided<A>| {
        let events = match decided {
            Decided::Refused(error) => return Err(error),
            Decided::Nothing => 0,
            Decided::Events(events) => events,
        };
        if let (Some(appended), 1..) = (appended, events) {
            done += events;
            version = appended.versions.get(done - 1).copied();
            position = GlobalPosition::new(appended.first_position.get() + done as u64 - 1);
        }
        let repeated = events > 0 && appended.is_some_and(|appended| appended.repeated);
        Ok(Executed { stream: stream.clone(), events, version, position, repeated })
    };
    decided.into_iter().map(outcome).collect()
}

/// What each command is answered when it is not known whether its batch was written, or that it was not.
pub(super) fn unwritten<A: Apply>(
    batch: Batch<A>,
    failure: &Failure,
    unknown: bool,
) -> Vec<Result<Executed, ExecuteError<A::Error>>> {
    let mut ids = batch.append.events.iter().map(|event| event.id);
    let outcome = |decided: Decided<A>| match decided {
        Decided::Events(events) if unknown => {
            Err(ExecuteError::Unknown { event_ids: ids.by_ref().take(events).collect() })
        }
        // A refusal on a state that was not committed is none.
        _ => Err(ExecuteError::Transient(failure.clone())),
    };
    batch.decided.into_iter().map(outcome).collect()
}
