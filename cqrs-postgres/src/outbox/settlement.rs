//! What the outcomes of a publishing call mean for the messages and their lanes: pure.

use std::time::Duration;

use cqrs_core::{Backoff, Message, PublishError};

/// Characters of a reason that are kept.
const REASON: usize = 2_000;

/// A key, or a message without one, and its next messages in order.
#[derive(Debug)]
pub(super) struct Lane {
    pub name: String,
    pub messages: Vec<OpenMessage>,
}

/// A message that is neither published nor discarded.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub sequence: i64,
    pub message: Message,
    pub is_parked: bool,
    pub attempts: u32,
    /// Since its first failure.
    pub failing_for: Option<Duration>,
}

/// When a message is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub attempts: u32,
    pub backoff: Backoff,
}

/// What is written after a publishing call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settlement {
    /// The sequences of what was published.
    pub published: Vec<i64>,
    pub failed: Vec<Failed>,
    pub released: Vec<Released>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub sequence: i64,
    pub reason: String,
    pub is_parked: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    pub lane: String,
    /// `None` is until an operator says so.
    pub delay: Option<Duration>,
    pub had_messages: bool,
}

/// The messages to be published, in order: those of a lane up to one that is parked.
pub(super) fn publishable(lanes: &[Lane]) -> impl Iterator<Item = &OpenMessage> {
    lanes.iter().flat_map(|lane| lane.messages.iter().take_while(|message| !message.is_parked))
}

/// `outcomes` are those of the [publishable] messages; one that is missing is taken for no answer. `quiet_for` is how long
/// ago the publisher last took a message.
///
/// A message that fails again and again is parked, but not as long as nothing else gets through either: then it is the broker
/// that is away, and everything waits for it.
pub(super) fn settle(
    lanes: &[Lane],
    outcomes: Vec<Result<(), PublishError>>,
    patience: Patience,
    quiet_for: Option<Duration>,
) -> Settlement {
    let gets_through = outcomes.iter().any(Result::is_ok);
    let is_alive = |message: &OpenMessage| {
        gets_through || quiet_for.is_some_and(|quiet| quiet <= message.failing_for.unwrap_or_default())
    };
    let mut outcomes = outcomes.into_iter();
    let mut settlement = Settlement::default();
    for lane in lanes {
        let mut delay = Some(Duration::ZERO);
        let mut has_failed = false;
        for message in lane.messages.iter().take_while(|message| !message.is_parked) {
            let error = match outcomes.next() {
                Some(Ok(())) => {
                    settlement.published.push(message.sequence);
                    continue;
                }
                Some(Err(error)) => Some(error),
                None => None,
            };
            if std::mem::replace(&mut has_failed, true) {
                continue;
            }
            let attempts = message.attempts.saturating_add(1);
            let is_parked = match error {
                Some(PublishError::Permanent(_)) => true,
                _ => attempts >= patience.attempts && is_alive(message),
            };
            delay = (!is_parked).then(|| patience.backoff.after(attempts));
            let reason = error.map_or_else(|| "the publisher gave no outcome".to_owned(), |error| describe(&error));
            settlement.failed.push(Failed { sequence: message.sequence, reason, is_parked });
        }
        if lane.messages.first().is_some_and(|first| first.is_parked) {
            delay = None;
        }
        let had_messages = !lane.messages.is_empty();
        settlement.released.push(Released { lane: lane.name.clone(), delay, had_messages });
    }
    settlement
}

fn describe(error: &PublishError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    storable(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// A text of bounded length without the character that the database cannot keep.
pub(super) fn storable(reason: &str) -> String {
    reason.chars().filter(|c| *c != '\0').take(REASON).collect()
}

#[cfg(test)]
mod tests;
