//! What to do about an error: decided apart from the code that meets it.

use std::fmt::Debug;
use std::time::Duration;

use cqrs_core::Backoff;

mod attempts;
mod judge;

pub(crate) use attempts::Attempts;
pub(crate) use judge::Judge;

use crate::error::{ErrorClass, ProjectionError};

/// What the runner does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorDecision {
    /// Try again, from the checkpoint.
    Retry {
        /// After so long.
        after: Duration,
    },
    /// Keep the event as a dead letter and go on without it. Only an error that is about one document
    /// ([`ProjectionError::document`]) or one event ([`ProjectionError::is_about_event`]) can become one; any other stops the
    /// projection, and so does every one without a [store](crate::Projections::dead_letters) of dead letters.
    ///
    /// - **A document** is parked as it was before the event. This and all later events that touch it become dead letters, until it
    ///   is [replayed](crate::DeadLetters::replay), which folds them in their order. All other documents go on.
    /// - **An event** that cannot be decoded or routed is left out of all documents that it may touch, and what comes after it is
    ///   not: they are wrong until a [rebuild](crate::Running::rebuild) folds the log again in order. Of a
    ///   [`JoinProjector`](crate::JoinProjector) it stops the projection instead.
    DeadLetter,
    /// Stop this projection; the others go on.
    Stop,
}

/// Decides what to do about an error. Errors of [`ErrorClass::Fatal`] never get here: they stop the projection.
pub trait ErrorPolicy: Send + Sync + Debug + 'static {
    /// What to do about `error`, the `attempt`th in a row (from 1): of the same event and document, where it is about one, and
    /// otherwise without progress in between. The same arguments have the same answer, but for the time to wait.
    fn decide(&self, error: &ProjectionError, attempt: u32) -> ErrorDecision;
}

/// The default policy: transient errors are tried again, for as long as it takes and ever more slowly; permanent ones stop
/// the projection.
#[derive(Debug, Clone, Copy, Default)]
pub struct RetryTransient {
    backoff: Backoff,
}

impl RetryTransient {
    /// Tries again after these delays.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self { backoff }
    }
}

impl ErrorPolicy for RetryTransient {
    fn decide(&self, error: &ProjectionError, attempt: u32) -> ErrorDecision {
        match error.class() {
            ErrorClass::Transient => ErrorDecision::Retry { after: self.backoff.after(attempt) },
            ErrorClass::Permanent | ErrorClass::Fatal => ErrorDecision::Stop,
        }
    }
}

/// Transient errors are tried again, for as long as it takes and ever more slowly; a document that cannot be folded or is
/// refused by the read model is parked with its events as [dead letters](ErrorDecision::DeadLetter), and all others go on.
///
/// Anything else stops the projection, as does an event that cannot be decoded or routed, unless
/// [told otherwise](Self::events_too).
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadLetterPermanent {
    backoff: Backoff,
    retries: u32,
    events: bool,
}

impl DeadLetterPermanent {
    /// Tries again after these delays.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self { backoff, retries: 0, events: false }
    }

    /// Tries so many times more before a dead letter is made (0 unless told). Folding is pure, and so the same again: this
    /// is for a read model that refuses for a while. Meanwhile the partition waits.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Goes on without events that cannot be decoded or routed, too. The documents that they would touch are wrong from then
    /// on, until a [rebuild](crate::Running::rebuild).
    #[must_use]
    pub const fn events_too(mut self) -> Self {
        self.events = true;
        self
    }
}

impl ErrorPolicy for DeadLetterPermanent {
    fn decide(&self, error: &ProjectionError, attempt: u32) -> ErrorDecision {
        let after = self.backoff.after(attempt);
        match error.class() {
            ErrorClass::Transient => ErrorDecision::Retry { after },
            ErrorClass::Fatal => ErrorDecision::Stop,
            ErrorClass::Permanent => match error.document().is_some() || (self.events && error.is_about_event()) {
                true if attempt <= self.retries => ErrorDecision::Retry { after },
                true => ErrorDecision::DeadLetter,
                false => ErrorDecision::Stop,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use cqrs_core::{EventId, EventType, Failure, GlobalPosition, Payload, ReadModelError, StoreError};

    use super::*;
    use crate::projector::ProjectError;

    fn refused(key: &str) -> ProjectionError {
        ProjectionError::Project {
            event_id: EventId::new(),
            event_type: EventType::new("note.sent.v1").unwrap(),
            position: GlobalPosition::new(7),
            key: key.to_owned(),
            source: ProjectError::new("bad"),
        }
    }

    fn rejected(key: &str) -> ProjectionError {
        ReadModelError::Rejected { key: key.to_owned(), reason: "too long".to_owned() }.into()
    }

    fn away() -> ProjectionError {
        ReadModelError::Transient(Failure::new("away")).into()
    }

    #[test]
    fn what_is_about_a_document_becomes_a_dead_letter_at_once() {
        let source = Payload::from_bytes("{").decode::<i64>().unwrap_err();
        let document = ProjectionError::Document { key: "a".to_owned(), source };
        for error in [refused("a"), rejected("a"), document] {
            assert_eq!(DeadLetterPermanent::default().decide(&error, 1), ErrorDecision::DeadLetter, "{error:?}");
            assert_eq!(RetryTransient::default().decide(&error, 1), ErrorDecision::Stop, "{error:?}");
        }
    }

    #[test]
    fn it_is_tried_again_as_often_as_told_before_that() {
        let policy = DeadLetterPermanent::default().retries(2);
        for attempt in [1, 2] {
            assert!(matches!(policy.decide(&rejected("a"), attempt), ErrorDecision::Retry { .. }));
        }
        assert_eq!(policy.decide(&rejected("a"), 3), ErrorDecision::DeadLetter);
    }

    #[test]
    fn what_is_transient_is_tried_again_for_ever() {
        let letters: ProjectionError = ProjectionError::DeadLetters(StoreError::Transient(Failure::new("away")));
        for error in [away(), letters] {
            for attempt in [1, 1_000_000] {
                let decision = DeadLetterPermanent::default().decide(&error, attempt);
                assert!(matches!(decision, ErrorDecision::Retry { .. }), "{error:?}");
            }
        }
    }

    #[test]
    fn an_event_without_document_is_left_out_only_when_told_so() {
        let policy = DeadLetterPermanent::default();
        assert_eq!(policy.decide(&refused(""), 1), ErrorDecision::Stop);
        assert_eq!(policy.events_too().decide(&refused(""), 1), ErrorDecision::DeadLetter);
    }

    #[test]
    fn what_is_about_no_document_and_no_event_stops() {
        let policy = DeadLetterPermanent::default().events_too();
        let mismatch = ReadModelError::Mismatch { what: "a mapping".to_owned() };
        for error in [mismatch.into(), refused("\u{1}a"), rejected("\u{1}a"), ProjectionError::Aborted] {
            assert_eq!(policy.decide(&error, 1), ErrorDecision::Stop, "{error:?}");
        }
    }

    #[test]
    fn attempts_are_counted_by_event_and_document() {
        let mut attempts = Attempts::default();
        for (error, expected) in [
            (away(), 1),
            (away(), 2),
            (refused("a"), 1),
            (refused("a"), 2),
            (away(), 3),
            (refused("b"), 1),
            (rejected("b"), 1),
        ] {
            assert_eq!(attempts.with(&error), expected, "{error:?}");
            attempts.failed(&error);
            assert_eq!(attempts.count(), expected);
        }
        attempts.clear();
        assert_eq!((attempts.count(), attempts.with(&rejected("b"))), (0, 1));
    }
}
