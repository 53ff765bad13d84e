//! The task that writes the groups.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::mpsc;

use super::{Group, GroupError, GroupWriter, Message, Outcome, Question};
use crate::event_store::{AppendError, Existing};
use crate::id::EventId;
use crate::subscription::Hint;

pub(super) struct Writer<W> {
    groups: W,
    newest: Hint,
}

impl<W: GroupWriter> Writer<W> {
    pub fn new(groups: W, newest: Hint) -> Self {
        Self { groups, newest }
    }

    /// Ends when the queue is dropped and everything in it is settled.
    pub async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Message>) {
        loop {
            let first = match queue.try_recv() {
                Ok(first) => {
                    // Others are about to arrive: callers who were just answered. A lone append does not wait for them.
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                    }
                    first
                }
                Err(_) => match queue.recv().await {
                    Some(first) => first,
                    None => break,
                },
            };
            let (group, questions) = Group::take(first, &mut queue);
            self.write(group).await;
            self.answer(questions).await;
        }
        self.groups.close().await;
    }

    /// Writes a group to the end: every append in it is answered, or its caller has gone.
    async fn write(&mut self, group: Group) {
        let mut parts = vec![group];
        while let Some(mut part) = parts.pop() {
            let mut pauses = pauses();
            while part.is_wanted() {
                let error = match self.groups.write(&mut part).await {
                    Ok(outcomes) => {
                        self.reply(part, outcomes);
                        break;
                    }
                    Err(error) => error,
                };
                match error {
                    GroupError::Refused(failure) if part.appends.len() <= 1 => {
                        tracing::warn!(error = %failure, "an append was refused");
                        self.reply(part, vec![Err(AppendError::Permanent(failure))]);
                        break;
                    }
                    GroupError::Refused(_) => {
                        // Halved until the guilty append stands alone; the first half goes first.
                        let second = part.halve();
                        parts.push(second);
                        parts.push(part);
                        break;
                    }
                    GroupError::NotWritten(failure) => {
                        tracing::warn!(error = %failure, appends = part.appends.len(), "a group was not written");
                        part.not_written();
                    }
                    GroupError::NoAnswer(failure) => {
                        tracing::warn!(error = %failure, appends = part.appends.len(), "a group was not answered");
                        part.unanswered = true;
                    }
                }
                tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
            }
        }
    }

    /// Says what became of appends: everything that was sent before is settled.
    async fn answer(&mut self, mut questions: Vec<Question>) {
        let mut pauses = pauses();
        loop {
            questions.retain(|question| !question.reply.is_closed());
            if questions.is_empty() {
                return;
            }
            let ids: Vec<EventId> = questions.iter().flat_map(|question| question.ids.iter().copied()).collect();
            match self.groups.find(&ids).await {
                Ok(found) => {
                    let mut found = found.into_iter();
                    for question in questions {
                        let outcome = Existing::outcome(found.by_ref().take(question.ids.len()));
                        let _ = question.reply.send(outcome);
                    }
                    return;
                }
                Err(GroupError::Refused(failure)) => {
                    for question in questions {
                        let _ = question.reply.send(Err(AppendError::Permanent(failure.clone())));
                    }
                    return;
                }
                Err(GroupError::NotWritten(failure) | GroupError::NoAnswer(failure)) => {
                    tracing::warn!(error = %failure, "the outcome of an append was not found out");
                    tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                }
            }
        }
    }

    fn reply(&self, group: Group, outcomes: Vec<Outcome>) {
        let written = outcomes.iter().flatten().filter(|appended| !appended.repeated);
        if let Some(position) = written.map(|appended| appended.position).max() {
            self.newest.advance(position);
        }
        for (queued, outcome) in group.appends.into_iter().zip(outcomes) {
            // A caller who has gone finds out by the event ids.
            let _ = queued.reply.send(outcome);
        }
    }
}

const LONGEST_PAUSE: Duration = Duration::from_secs(1);

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}
