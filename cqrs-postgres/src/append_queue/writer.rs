//! The task that writes the groups, on a connection of its own.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use cqrs_core::{AppendError, EventId, Existing, Failure, GlobalPosition};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{mpsc, watch};

use super::plan::Plan;
use super::{Message, Outcome, Question, Waiting, slow, statement};
use crate::error::{Meaning, explain, meaning};
use crate::statements::Statements;
use crate::subscription::advance;

/// Events and bytes in a group at most; the append that passes a bound is still taken.
const GROUP_EVENTS: usize = 1_000;
const GROUP_BYTES: usize = 1 << 20;

/// How often a group is tried again at once when a unique key was taken though all checks passed.
const UNIQUE_RETRIES: usize = 3;

#[derive(Debug, Clone)]
pub(crate) struct WriterOptions {
    pub connect: PgConnectOptions,
    /// The application name of the connection, unlike any other writer's.
    pub session: String,
    pub sql: Statements,
    pub attempt_timeout: Duration,
    pub newest: watch::Sender<GlobalPosition>,
}

pub(super) struct Writer {
    options: WriterOptions,
    connection: Option<PgConnection>,
}

/// What became of an attempt to write a group.
enum Attempt {
    Outcomes(Vec<Outcome>),
    /// Nothing was written, or nobody knows: the same group again, later.
    Again,
    /// Nothing was written: one of its appends cannot be.
    Refused(Failure),
}

impl Writer {
    pub fn new(options: WriterOptions) -> Self {
        Self { options, connection: None }
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
            let question = match first {
                Message::Outcome(question) => Some(question),
                Message::Append(first) => {
                    let (group, question) = take_group(first, &mut queue);
                    self.write(group).await;
                    question
                }
            };
            if let Some(question) = question {
                self.answer(question).await;
            }
        }
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }

    /// Writes a group to the end: every append in it is answered, or its caller has gone.
    async fn write(&mut self, group: Vec<Waiting>) {
        let mut parts = vec![group];
        while let Some(mut part) = parts.pop() {
            let mut pauses = pauses();
            loop {
                // A caller who has gone asks for the outcome by id, or does not care.
                part.retain(|waiting| !waiting.reply.is_closed() && waiting.progress.send());
                if part.is_empty() {
                    break;
                }
                match self.attempt(&part).await {
                    Attempt::Outcomes(outcomes) => {
                        answer(part, outcomes, &self.options.newest);
                        break;
                    }
                    Attempt::Refused(failure) if part.len() == 1 => {
                        answer(part, vec![Err(AppendError::Permanent(failure))], &self.options.newest);
                        break;
                    }
                    Attempt::Refused(_) => {
                        // Halved until the guilty append stands alone; the first half goes first.
                        let second = part.split_off(part.len() / 2);
                        parts.push(second);
                        parts.push(part);
                        break;
                    }
                    Attempt::Again => tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await,
                }
            }
        }
    }

    /// Says what became of an append: everything that was sent before is settled.
    async fn answer(&mut self, question: Question) {
        let mut pauses = pauses();
        while !question.reply.is_closed() {
            let asked = tokio::time::timeout(self.options.attempt_timeout, self.ask(&question.ids)).await;
            let outcome = match asked {
                Ok(Ok(found)) => Existing::outcome(found),
                Ok(Err(error)) if matches!(meaning(&error), Meaning::NoAnswer | Meaning::Transient) => {
                    tracing::warn!(%error, "the outcome of an append was not found out");
                    tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                    continue;
                }
                Ok(Err(error)) => Err(AppendError::Permanent(Failure::new(explain(error)))),
                Err(_) => continue,
            };
            let _ = question.reply.send(outcome);
            return;
        }
    }

    async fn ask(&mut self, ids: &[EventId]) -> Result<Vec<(EventId, Option<Existing>)>, sqlx::Error> {
        let mut connection = self.take_connection().await?;
        let found = slow::outcome(&mut connection, &self.options.sql, ids).await;
        self.keep(connection, found)
    }

    async fn attempt(&mut self, part: &[Waiting]) -> Attempt {
        let group: Vec<&Waiting> = part.iter().collect();
        let timeout = self.options.attempt_timeout;
        let mut unique = 0;
        loop {
            let sent = tokio::time::timeout(timeout, self.send(&group)).await;
            let error = match sent {
                Ok(Ok(outcomes)) => return Attempt::Outcomes(outcomes),
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            let meaning = meaning(&error);
            if meaning != Meaning::Permanent || group.len() == 1 {
                tracing::warn!(%error, appends = group.len(), "a group of appends was not written");
            }
            match meaning {
                Meaning::NoAnswer | Meaning::Transient => return Attempt::Again,
                Meaning::Unique if unique < UNIQUE_RETRIES => unique += 1,
                Meaning::Unique | Meaning::Permanent => return Attempt::Refused(Failure::new(explain(error))),
            }
        }
    }

    async fn send(&mut self, group: &[&Waiting]) -> Result<Vec<Outcome>, sqlx::Error> {
        let mut connection = self.take_connection().await?;
        let outcomes = write(&mut connection, &self.options.sql, group).await;
        self.keep(connection, outcomes)
    }

    /// The connection, taken out while it is in use: a future dropped by a timeout leaves none in an unknown state. A new
    /// one ends the sessions of those before it first: what they were sent is settled then.
    async fn take_connection(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = self.options.connect.connect().await?;
        let wait = i64::try_from(self.options.attempt_timeout.as_millis() / 4).unwrap_or(i64::MAX);
        loop {
            let ended: i64 = sqlx::query_scalar(self.options.sql.end_zombies.clone())
                .bind(&self.options.session)
                .bind(wait)
                .fetch_one(&mut connection)
                .await?;
            if ended == 0 {
                return Ok(connection);
            }
        }
    }

    fn keep<T>(&mut self, connection: PgConnection, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if !matches!(&result, Err(error) if meaning(error) == Meaning::NoAnswer) {
            self.connection = Some(connection);
        }
        result
    }
}

async fn write(
    connection: &mut PgConnection,
    sql: &Statements,
    group: &[&Waiting],
) -> Result<Vec<Outcome>, sqlx::Error> {
    if let Some(plan) = Plan::of(group.iter().map(|waiting| &waiting.append)) {
        match statement::write(connection, sql, group, &plan).await {
            Ok(Some(written)) => {
                let counts = group.iter().map(|waiting| waiting.append.events.len());
                return Ok(plan.outcomes(counts, &written).into_iter().map(Ok).collect());
            }
            Ok(None) => {}
            Err(error) if meaning(&error) == Meaning::Unique => {}
            Err(error) => return Err(error),
        }
    }
    slow::write(connection, sql, group).await
}

/// What waits, up to the bounds or to a question, which is asked behind it.
fn take_group(first: Waiting, queue: &mut mpsc::UnboundedReceiver<Message>) -> (Vec<Waiting>, Option<Question>) {
    let (mut events, mut bytes) = (first.append.events.len(), first.bytes);
    let mut group = vec![first];
    while events < GROUP_EVENTS && bytes < GROUP_BYTES {
        match queue.try_recv() {
            Ok(Message::Append(next)) => {
                events += next.append.events.len();
                bytes += next.bytes;
                group.push(next);
            }
            Ok(Message::Outcome(question)) => return (group, Some(question)),
            Err(_) => break,
        }
    }
    (group, None)
}

fn answer(part: Vec<Waiting>, outcomes: Vec<Outcome>, newest: &watch::Sender<GlobalPosition>) {
    let written = outcomes.iter().flatten().filter(|appended| !appended.repeated);
    if let Some(position) = written.map(|appended| appended.position).max() {
        advance(newest, position);
    }
    for (waiting, outcome) in part.into_iter().zip(outcomes) {
        // A caller who has gone finds out by the event ids.
        let _ = waiting.reply.send(outcome);
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
