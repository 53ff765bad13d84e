//! What a command carries besides what it asks for.

use std::collections::BTreeMap;

use crate::claim::Claims;
use crate::id::{CausationId, CommandId, CorrelationId};
use crate::metadata::{Metadata, TraceContext};
use crate::recorded_event::RecordedEvent;
use crate::stream::ExpectedVersion;
use crate::timestamp::Timestamp;

/// Who asks, why, when it happened, and what led to it. All of it flows into the events.
///
/// ```
/// use cqrs_core::Context;
/// let context = Context::new().actor("teller-7").reason("monthly interest").occurred_at("2024-01-15T09:00:00Z".parse()?);
/// # Ok::<(), cqrs_core::InvalidTimestamp>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    command_id: Option<CommandId>,
    /// Whether the id was drawn just now, so that no command can have been carried out under it.
    drawn: bool,
    command: Option<&'static str>,
    expected: Option<ExpectedVersion>,
    occurred_at: Option<Timestamp>,
    correlation_id: Option<CorrelationId>,
    causation_id: Option<CausationId>,
    source: Option<String>,
    actor: Option<String>,
    reason: Option<String>,
    tenant: Option<String>,
    trace: Option<TraceContext>,
    tags: Vec<String>,
    data_subjects: Vec<String>,
    key_id: Option<String>,
    headers: BTreeMap<String, String>,
}

impl Context {
    /// Nothing but a new command id.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the command repeatable: the same id again never writes twice, and is answered with what it wrote.
    ///
    /// A command that was rejected or had nothing to do has written nothing and is not remembered: under the same id it is
    /// decided again, on the state as it is by then.
    #[must_use]
    pub fn command_id(mut self, id: CommandId) -> Self {
        self.command_id = Some(id);
        self.drawn = false;
        self
    }

    /// For one of several commands that together carry out this one: the same context, under an id that
    /// [derives](CommandId::part) from this one's and a name. This one is their cause, and they share its correlation. When it
    /// is repeated, so are they, and what they wrote is not written twice. What was [expected](Self::expected) of an aggregate is
    /// not passed on.
    ///
    /// A context without an id is given a new one first, and cannot be repeated.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        let whole = self.own_command_id().unwrap_or_else(CommandId::new);
        let mut part = self.clone().command_id(whole.part(name));
        part.causation_id = Some(whole.into());
        part.correlation_id = Some(self.correlation_id.unwrap_or_else(|| whole.into()));
        part.expected = None;
        part
    }

    /// The aggregate must be as expected: a conflict is then the caller's to solve and is not tried again.
    #[must_use]
    pub fn expected(mut self, expected: ExpectedVersion) -> Self {
        self.expected = Some(expected);
        self
    }

    /// When it happened, where that is not now; it may lie in the past.
    #[must_use]
    pub fn occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// Ties the events to a request; by default the command's own id does.
    #[must_use]
    pub fn correlation_id(mut self, id: CorrelationId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// The command answers to this event: it is its cause, and its correlation, tenant and trace flow on.
    ///
    /// Metadata that cannot be decoded gives the cause only.
    #[must_use]
    pub fn caused_by(mut self, event: &RecordedEvent) -> Self {
        self.causation_id = Some(event.id.into());
        if let Ok(metadata) = event.metadata() {
            self.correlation_id = self.correlation_id.or(metadata.correlation_id);
            self.tenant = self.tenant.or(metadata.tenant);
            self.trace = self.trace.or(metadata.trace);
        }
        self
    }

    /// Which program asks.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Who asks.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// On whose behalf.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// The trace that the command belongs to.
    #[must_use]
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.trace = Some(trace);
        self
    }

    /// A word by which the events can be found; no personal data.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// A person whose data the events hold.
    #[must_use]
    pub fn data_subject(mut self, subject: impl Into<String>) -> Self {
        self.data_subjects.push(subject.into());
        self
    }

    /// The key under which personal fields are encrypted.
    #[must_use]
    pub fn key_id(mut self, key: impl Into<String>) -> Self {
        self.key_id = Some(key.into());
        self
    }

    /// Anything else.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// The id under which the command may have been carried out before: the caller's, where it gave one.
    pub(crate) const fn given_command_id(&self) -> Option<CommandId> {
        if self.drawn { None } else { self.command_id }
    }

    /// The id that it has, whoever gave it.
    pub(crate) const fn own_command_id(&self) -> Option<CommandId> {
        self.command_id
    }

    /// Under an id that was drawn just now.
    pub(crate) fn drawn_command_id(mut self, id: CommandId) -> Self {
        self.command_id = Some(id);
        self.drawn = true;
        self
    }

    /// How the command is called.
    pub(crate) fn named(mut self, command: &'static str) -> Self {
        self.command = Some(command);
        self
    }

    pub(crate) fn actor_name(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    pub(crate) fn tenant_name(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    pub(crate) const fn correlation(&self) -> Option<CorrelationId> {
        self.correlation_id
    }

    pub(crate) const fn expected_version(&self) -> Option<ExpectedVersion> {
        self.expected
    }

    pub(crate) const fn occurred(&self) -> Option<Timestamp> {
        self.occurred_at
    }

    /// The metadata of the events that `command` leads to.
    pub(crate) fn metadata(&self, command: CommandId) -> Metadata {
        Metadata {
            append_id: None,
            command_id: Some(command),
            command: self.command.map(str::to_owned),
            correlation_id: Some(self.correlation_id.unwrap_or_else(|| command.into())),
            causation_id: Some(self.causation_id.unwrap_or_else(|| command.into())),
            source: self.source.clone(),
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            tenant: self.tenant.clone(),
            trace: self.trace.clone(),
            tags: self.tags.clone(),
            data_subjects: self.data_subjects.clone(),
            key_id: self.key_id.clone(),
            claims: Claims::default(),
            headers: self.headers.clone(),
        }
    }
}
