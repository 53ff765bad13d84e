//! The envelope around an event's payload: who, why, and what led to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::claim::Claims;
use crate::id::{AppendId, CausationId, CommandId, CorrelationId};

/// What is known about an event besides its payload and its place in the log. Fields that are not set are not stored.
///
/// Type, schema version, stream, version, position and the two times are fields of the event itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Metadata {
    /// The append that wrote the event; set by the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub append_id: Option<AppendId>,
    /// The command that was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// How that command is called: `Withdraw`. Set by a [`CommandBus`](crate::CommandBus).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Ties together everything that one request led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
    /// The message that caused the command, or the command itself where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<CausationId>,
    /// Which program wrote the event (the `source` of CloudEvents 1.0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// On whose behalf, where one store serves several tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The trace that the command belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// Words by which the event can be found, at most 100 of 1 to 255 bytes, such as `course:c1`; no personal data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The persons whose data the event holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_subjects: Vec<String>,
    /// The key under which personal fields are encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The unique keys that the event takes and releases; set by the store from [`NewEvent`](crate::NewEvent).
    #[serde(skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
    /// Anything else.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A W3C trace context (<https://www.w3.org/TR/trace-context/>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The `traceparent` header.
    pub traceparent: String,
    /// The `tracestate` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}
