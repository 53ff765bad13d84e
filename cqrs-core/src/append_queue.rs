//! All appends of a process, written in groups by one task: a building block for event stores.
//!
//! A group is what arrived while the one before it was committing: no timer. How a group is written is the store's own
//! part, a [`GroupWriter`]; what waits, what is taken back and what is tried again is the same for all of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};

mod decided;
mod encoded;
mod group;
#[cfg(test)]
mod tests;
mod writer;

pub use decided::{DecidedGroup, GroupFacts, Wanted};
pub use encoded::EncodedAppend;
pub use group::{Group, Queued};

pub use crate::event_store::QueryIndex;

use crate::event_store::{Append, AppendError, Appended, Existing};
use crate::failure::Failure;
use crate::id::EventId;
use crate::subscription::Hint;
use group::{Progress, TakeBackOnDrop};
use writer::Writer;

/// What became of an append.
pub type Outcome = Result<Appended, AppendError>;

/// Why a group was not written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// Certainly nothing was written, and it may succeed later: the same group again.
    #[error("nothing was written")]
    NotWritten(#[source] Failure),
    /// No answer came: nobody knows whether it was written. The same group again, whose event ids tell.
    #[error("no answer came")]
    NoAnswer(#[source] Failure),
    /// Certainly nothing was written, and never will be: one of the appends is to blame. The group is halved until the
    /// guilty append stands alone.
    #[error("the group is refused")]
    Refused(#[source] Failure),
}

/// Writes groups of appends, each in one transaction.
///
/// # Contract
/// - The outcomes equal those of executing the appends one by one in their order: see [`GroupFacts`].
/// - What the group [changes of the claims](DecidedGroup::claims) is written with its events, or follows from them.
/// - A group that was sent before and never answered is decided anew: what it wrote then is found by the event ids.
///   An attempt that was given up must not be able to write any more when the next one reads the log.
#[async_trait]
pub trait GroupWriter: Send + 'static {
    /// Writes a group, and answers for each append that [`Group::send`] leaves in it, in order. Until `send` is called
    /// nothing may be written, and callers may take their appends back.
    ///
    /// # Errors
    /// [`GroupError`] says what the queue does about it.
    async fn write(&mut self, group: &mut Group) -> Result<Vec<Outcome>, GroupError>;

    /// What the log says of these events, in their order (an id may stand in it twice), when everything that is being
    /// written is settled.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    async fn find(&mut self, ids: &[EventId]) -> Result<Vec<(EventId, Option<Existing>)>, GroupError>;

    /// Called when the queue was dropped and everything in it is settled.
    async fn close(&mut self) {}
}

/// Appends that wait to be written by one task. The task ends when the queue is dropped and everything in it is settled.
#[derive(Debug)]
pub struct AppendQueue {
    sender: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    capacity: u32,
    timeout: Duration,
}

#[derive(Debug)]
enum Message {
    Append(Queued),
    Outcome(Question),
}

/// What became of these events? Asked behind everything that was sent before.
#[derive(Debug)]
struct Question {
    ids: Vec<EventId>,
    reply: oneshot::Sender<Result<Option<Appended>, AppendError>>,
}

impl AppendQueue {
    /// Starts the task. At most `bytes` of events wait to be written, appends beyond that wait for room. An append may
    /// take `timeout` in all: after that it is [`Transient`](AppendError::Transient) when it certainly was not written,
    /// [`Unknown`](AppendError::Unknown) otherwise. `newest` is told how far the log has grown.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(writer: impl GroupWriter, bytes: u32, timeout: Duration, newest: Hint) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Writer::new(writer, newest).run(receiver));
        let capacity = bytes.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX)).max(1);
        Self { sender, room: Arc::new(Semaphore::new(capacity as usize)), capacity, timeout }
    }

    /// Writes an append that was [checked](Append::check).
    ///
    /// # Errors
    /// As [`EventStore::append`](crate::EventStore::append).
    pub async fn append(&self, append: Append) -> Outcome {
        let encoded = EncodedAppend::new(append)?;
        let deadline = tokio::time::Instant::now() + self.timeout;
        let needed = u32::try_from(encoded.bytes()).unwrap_or(u32::MAX).min(self.capacity);
        let room = tokio::time::timeout_at(deadline, Arc::clone(&self.room).acquire_many_owned(needed)).await;
        let Ok(Ok(room)) = room else {
            return Err(AppendError::Transient(Failure::new("the append queue is full")));
        };
        let (reply, answer) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let event_ids = encoded.append().event_ids();
        let _take_back = TakeBackOnDrop(Arc::clone(&progress));
        let queued = Queued { encoded, progress: Arc::clone(&progress), reply, _room: room };
        if self.sender.send(Message::Append(queued)).is_err() {
            return Err(stopped());
        }
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            _ if progress.take_back() => Err(AppendError::Transient(Failure::new(
                "the append was not sent in time: the database is not reached",
            ))),
            _ => Err(AppendError::Unknown { event_ids, source: Failure::new("the database did not answer in time") }),
        }
    }

    /// Finds out what became of an append, after everything that this process sent before is settled.
    ///
    /// # Errors
    /// As [`EventStore::outcome`](crate::EventStore::outcome).
    pub async fn outcome(&self, ids: &[EventId]) -> Result<Option<Appended>, AppendError> {
        let (reply, answer) = oneshot::channel();
        if self.sender.send(Message::Outcome(Question { ids: ids.to_vec(), reply })).is_err() {
            return Err(stopped());
        }
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(AppendError::Transient(Failure::new("the database did not answer in time"))),
        }
    }
}

fn stopped() -> AppendError {
    AppendError::Transient(Failure::new("the append queue has stopped"))
}
