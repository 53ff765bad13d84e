//! What the codes of Elasticsearch mean for a caller.

use std::error::Error as _;

use cqrs_core::{Failure, Generation, ReadModelError};
use serde_json::Value;

/// A refusal, of a whole request or of one item of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{request}: {status} {kind}: {reason}")]
pub(super) struct ServerError {
    request: String,
    pub(super) status: u16,
    /// Such as `index_not_found_exception`.
    kind: String,
    pub(super) reason: String,
    /// The index or alias that it is about, if any.
    index: Option<String>,
}

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Try again later.
    Transient,
    /// The index or alias is not there.
    Missing,
    /// A version, sequence number or `create` found something else.
    Conflict,
    /// The content is refused.
    Rejected,
    /// It cannot succeed as it is.
    Permanent,
}

/// Refusals that pass, whatever their status: a full queue, a tripped breaker, an election, a disk above its
/// watermark, an index closed for a while.
const PASSING: [&str; 13] = [
    "es_rejected_execution_exception",
    "circuit_breaking_exception",
    "cluster_block_exception",
    "index_closed_exception",
    "master_not_discovered_exception",
    "not_master_exception",
    "process_cluster_event_timeout_exception",
    "unavailable_shards_exception",
    "no_shard_available_action_exception",
    "node_closed_exception",
    "node_not_connected_exception",
    "receive_timeout_transport_exception",
    "timeout_exception",
];

impl ServerError {
    pub(super) fn parse(request: &str, status: u16, body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(body) => Self::of(request, status, &body["error"]),
            Err(_) => Self {
                request: request.to_owned(),
                status,
                kind: "answer without JSON".to_owned(),
                reason: body.chars().take(200).collect(),
                index: None,
            },
        }
    }

    /// Takes the `error` of an answer or of an item.
    pub(super) fn of(request: &str, status: u16, error: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let index = error["index"].as_str().map(str::to_owned);
        let of = |kind: String, reason: String| Self { request: request.to_owned(), status, kind, reason, index };
        if error.is_string() {
            return of("error".to_owned(), text(error));
        }
        // "all shards failed" says nothing; the first cause does.
        let at = match error["type"].as_str() {
            Some("search_phase_execution_exception") if error["root_cause"][0].is_object() => &error["root_cause"][0],
            _ => error,
        };
        let mut reason = text(&at["reason"]);
        let mut cause = &error["caused_by"];
        while cause["caused_by"].is_object() {
            cause = &cause["caused_by"];
        }
        if let Some(innermost) = cause["reason"].as_str().filter(|innermost| !reason.contains(innermost)) {
            reason = format!("{reason}: {innermost}");
        }
        of(text(&at["type"]), reason)
    }

    /// Takes the `error` of a document that was asked for by key. It comes without a status.
    pub(super) fn of_get(of: &str, error: &Value) -> Self {
        let status = if error["type"] == "index_not_found_exception" { 404 } else { 500 };
        Self::of(&format!("POST _mget of {of}"), status, error)
    }

    pub(super) fn decision(&self) -> Decision {
        match (self.status, self.kind.as_str()) {
            // Some versions give it a status that passes.
            (_, "too_many_buckets_exception") => Decision::Rejected,
            (408 | 429 | 502 | 503 | 504, _) => Decision::Transient,
            (_, kind) if PASSING.contains(&kind) => Decision::Transient,
            (404, "index_not_found_exception" | "aliases_not_found_exception" | "shard_not_found_exception") => {
                Decision::Missing
            }
            (404, "search_context_missing_exception") => Decision::Missing,
            (409, _) => Decision::Conflict,
            (400 | 413, _) => Decision::Rejected,
            _ => Decision::Permanent,
        }
    }

    /// Whether the server has too much to do at the moment. An index that may not be written to is not that: it stays so.
    pub(super) fn is_overload(&self) -> bool {
        matches!(self.status, 429 | 503) && self.kind != "cluster_block_exception"
    }

    /// Whether the request has more bytes than the server, or what stands before it, takes.
    pub(super) const fn is_too_large(&self) -> bool {
        self.status == 413
    }

    /// Whether an index of this name is there already.
    pub(super) fn already_exists(&self) -> bool {
        self.kind == "resource_already_exists_exception"
    }

    /// Whether another generation became the live one meanwhile: it alone may be the alias' write index.
    pub(super) fn other_is_live(&self) -> bool {
        self.kind == "illegal_state_exception" && self.reason.contains("more than one write index")
    }

    /// Whether there is no index or alias of this name.
    pub(super) fn is_missing(&self, name: &str) -> bool {
        self.decision() == Decision::Missing && self.index.as_deref() == Some(name)
    }

    /// Whether a shard vanished during a search.
    pub(super) fn no_shard(&self) -> bool {
        self.kind == "no_shard_available_action_exception"
    }

    /// As an error of a call that writes to or reads from `generation`.
    pub(super) fn at(self, generation: Generation) -> ReadModelError {
        match self.decision() {
            Decision::Missing => ReadModelError::NotFound { generation },
            _ => self.into(),
        }
    }
}

impl From<ServerError> for ReadModelError {
    fn from(error: ServerError) -> Self {
        match error.decision() {
            Decision::Transient => Self::Transient(Failure::new(error)),
            _ => Self::Permanent(Failure::new(error)),
        }
    }
}

/// The error of a request that got no whole answer.
pub(super) fn unsent(error: ::elasticsearch::Error) -> ReadModelError {
    // Without a cause below it, the client itself refused the address or the request; all else is the network.
    if error.source().is_some() && !error.is_json() {
        ReadModelError::Transient(Failure::new(error))
    } else {
        ReadModelError::Permanent(Failure::new(error))
    }
}

/// Another writer came between reading and writing, again and again.
pub(super) fn contended(what: &str) -> ReadModelError {
    ReadModelError::Transient(Failure::new(format!("{what} is changed by others all the time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(status: u16, kind: &str) -> Decision {
        ServerError::of("PUT x", status, &serde_json::json!({ "type": kind, "reason": "r" })).decision()
    }

    #[test]
    fn overload_and_elections_pass() {
        assert_eq!(decide(429, "es_rejected_execution_exception"), Decision::Transient);
        assert_eq!(decide(503, "unavailable_shards_exception"), Decision::Transient);
        assert_eq!(decide(403, "cluster_block_exception"), Decision::Transient);
        assert_eq!(decide(500, "timeout_exception"), Decision::Transient);
    }

    #[test]
    fn refused_content_conflicts_and_missing_indices_are_told_apart() {
        assert_eq!(decide(400, "document_parsing_exception"), Decision::Rejected);
        assert_eq!(decide(409, "version_conflict_engine_exception"), Decision::Conflict);
        assert_eq!(decide(404, "index_not_found_exception"), Decision::Missing);
        assert_eq!(decide(401, "security_exception"), Decision::Permanent);
    }

    #[test]
    fn the_reason_names_the_innermost_cause() {
        let error = serde_json::json!({
            "type": "document_parsing_exception", "reason": "failed to parse field [price]",
            "caused_by": { "reason": "a", "caused_by": { "reason": "For input string: \"x\"" } },
        });
        let error = ServerError::of("POST p/_bulk", 400, &error);
        assert_eq!(
            error.to_string(),
            "POST p/_bulk: 400 document_parsing_exception: failed to parse field [price]: For input string: \"x\""
        );
    }

    #[test]
    fn an_answer_that_is_no_json_is_kept_as_text() {
        let error = ServerError::parse("GET x", 502, "<html>bad gateway");
        assert_eq!((error.decision(), error.reason.as_str()), (Decision::Transient, "<html>bad gateway"));
    }
}
