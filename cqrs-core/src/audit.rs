//! What happened to one aggregate, as an auditor reads it. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aggregate::Apply;
use crate::codec::CodecError;
use crate::failure::Failure;
use crate::id::{CausationId, CommandId, CorrelationId, EventId};
use crate::name::{EventType, StreamName};
use crate::recorded_event::UndecodableEvent;
use crate::repository::{LoadError, Step};
use crate::stream::{GlobalPosition, Version};
use crate::timestamp::Timestamp;
use crate::value_difference::ValueDifference;

/// One event of an aggregate: who, when, why, and what it changed from what to what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The version of the event.
    pub version: Version,
    /// Its place in the log of the whole store.
    pub position: GlobalPosition,
    /// Its id.
    pub event_id: EventId,
    /// What happened.
    pub event_type: EventType,
    /// When it happened, where the caller said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// When the store recorded it.
    pub recorded_at: Timestamp,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which program wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// On whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// How the command is called that was decided, where a bus brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// What caused the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<CausationId>,
    /// The request that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
    /// Every value of the state that it changed: the state as JSON, old and new. Where the state before is not known, because
    /// the stream is truncated there, the whole state is new.
    pub changes: Vec<ValueDifference>,
}

impl AuditEntry {
    /// What a step of a replay tells an auditor.
    ///
    /// # Errors
    /// [`LoadError::State`] when the state has no JSON form, [`LoadError::Undecodable`] when the metadata cannot be decoded.
    pub fn of<A: Apply + Serialize>(step: &Step<A>) -> Result<Self, LoadError> {
        let event = &step.recorded;
        let metadata = event.metadata().map_err(|source| UndecodableEvent::new(event.clone(), source))?;
        let after = json(&step.after)?;
        let changes = match &step.before {
            Some(before) => ValueDifference::between(&json(before)?, &after, usize::MAX),
            None => vec![ValueDifference { path: String::new(), before: None, after: Some(after) }],
        };
        Ok(Self {
            version: event.version,
            position: event.position,
            event_id: event.id,
            event_type: event.event_type.clone(),
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            actor: metadata.actor,
            reason: metadata.reason,
            source: metadata.source,
            tenant: metadata.tenant,
            command: metadata.command,
            command_id: metadata.command_id,
            causation_id: metadata.causation_id,
            correlation_id: metadata.correlation_id,
            changes,
        })
    }

    /// When it happened: the occurred time, else the recorded time.
    #[must_use]
    pub fn happened_at(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.recorded_at)
    }
}

fn json<A: Serialize>(state: &A) -> Result<Value, LoadError> {
    serde_json::to_value(state).map_err(|error| LoadError::State(CodecError::Encode(Failure::new(error))))
}

/// One line: `2  2024-01-05T10:00:00Z  account.deposited.v1  Deposit  by teller-7: salary  /balance 0 -> 2000000`. The recorded
/// time follows the other one where they differ, the command is told where a bus brought it.
impl fmt::Display for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.version, self.happened_at())?;
        if self.occurred_at.is_some_and(|occurred| occurred != self.recorded_at) {
            write!(f, " (recorded {})", self.recorded_at)?;
        }
        write!(f, "  {}", self.event_type)?;
        if let Some(command) = &self.command {
            write!(f, "  {command}")?;
        }
        if let Some(actor) = &self.actor {
            write!(f, "  by {actor}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        let mut before = "  ";
        for change in &self.changes {
            write!(f, "{before}{change}")?;
            before = ", ";
        }
        Ok(())
    }
}

/// A page of what happened to one aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditReport {
    /// The aggregate's stream.
    pub stream: StreamName,
    /// Its events, oldest first.
    pub entries: Vec<AuditEntry>,
    /// Where the next page [begins](crate::Replay::from); `None` when this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Version>,
}

/// The stream's name on the first line, then a line for each event.
impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stream)?;
        self.entries.iter().try_for_each(|entry| write!(f, "\n{entry}"))?;
        self.next.map_or(Ok(()), |next| write!(f, "\n… from version {next}"))
    }
}
