//! All appends of the process, written in groups by one task.
//!
//! A group is what arrived while the one before it was committing: no timer. It is written in one round trip and one
//! transaction under the append lock; the outcomes equal those of executing its appends one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use cqrs_core::{Append, AppendError, Appended, EventId, Failure, Payload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

mod plan;
mod slow;
mod statement;
mod writer;

use writer::Writer;
pub(crate) use writer::WriterOptions;

type Outcome = Result<Appended, AppendError>;

/// Bytes that an event takes in the queue besides its payload and metadata, roughly.
const OVERHEAD: usize = 256;

#[derive(Debug)]
pub(crate) struct AppendQueue {
    sender: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    capacity: u32,
    timeout: Duration,
}

#[derive(Debug)]
enum Message {
    Append(Waiting),
    Outcome(Question),
}

/// What became of these events? Asked behind everything that was sent before.
#[derive(Debug)]
struct Question {
    ids: Vec<EventId>,
    reply: oneshot::Sender<Result<Option<Appended>, AppendError>>,
}

/// An append that waits to be written, or for the answer.
#[derive(Debug)]
struct Waiting {
    append: Append,
    metadata: Vec<Payload>,
    bytes: usize,
    progress: Arc<Progress>,
    reply: oneshot::Sender<Outcome>,
    _room: OwnedSemaphorePermit,
}

/// Who has the append: as long as it waits the caller may take it back, and knows for certain that it was not written.
#[derive(Debug, Default)]
struct Progress(AtomicU8);

const WAITING: u8 = 0;
const SENT: u8 = 1;
const TAKEN_BACK: u8 = 2;

impl Progress {
    /// Called by the writer before an append is sent; `false` when the caller has taken it back.
    fn send(&self) -> bool {
        self.0.compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire) != Err(TAKEN_BACK)
    }

    /// Called by the caller whose time is up; `false` when the append was sent.
    fn take_back(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN_BACK, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Takes an append back when its caller goes away before it was sent.
struct TakeBackOnDrop(Arc<Progress>);

impl Drop for TakeBackOnDrop {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl AppendQueue {
    pub fn start(options: WriterOptions, queue_bytes: u32, timeout: Duration) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Writer::new(options).run(receiver));
        let capacity = queue_bytes.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX)).max(1);
        Self { sender, room: Arc::new(Semaphore::new(capacity as usize)), capacity, timeout }
    }

    /// Writes an append that was checked.
    pub async fn append(&self, append: Append) -> Outcome {
        let mut metadata = Vec::with_capacity(append.events.len());
        let mut bytes = 0;
        for event in &append.events {
            let mut with_append = event.metadata.clone();
            with_append.append_id = Some(append.id);
            let encoded = Payload::encode(&with_append).map_err(|error| AppendError::Permanent(Failure::new(error)))?;
            bytes += event.payload.len() + encoded.len() + OVERHEAD;
            metadata.push(encoded);
        }
        let deadline = tokio::time::Instant::now() + self.timeout;
        let needed = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let room = tokio::time::timeout_at(deadline, Arc::clone(&self.room).acquire_many_owned(needed)).await;
        let Ok(Ok(room)) = room else {
            return Err(AppendError::Transient(Failure::new("the append queue is full")));
        };
        let (reply, answer) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let event_ids = append.event_ids();
        let _take_back = TakeBackOnDrop(Arc::clone(&progress));
        let waiting = Waiting { append, metadata, bytes, progress: Arc::clone(&progress), reply, _room: room };
        if self.sender.send(Message::Append(waiting)).is_err() {
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
