//! Appends that are written together, and who has them: the caller or the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{EncodedAppend, Message, Outcome, Question};
use crate::codec::Payload;
use crate::event_store::{Append, NewEvent};

/// Events and bytes in a group at most; the append that passes a bound is still taken.
const GROUP_EVENTS: usize = 1_000;
const GROUP_BYTES: usize = 1 << 20;

/// An append that waits to be written, or for the answer.
#[derive(Debug)]
pub struct Queued {
    pub(super) encoded: EncodedAppend,
    pub(super) progress: Arc<Progress>,
    pub(super) reply: oneshot::Sender<Outcome>,
    pub(super) _room: OwnedSemaphorePermit,
}

impl Queued {
    /// The append.
    #[must_use]
    pub const fn append(&self) -> &Append {
        self.encoded.append()
    }

    /// Its events, each with its metadata encoded, the append's id and the claims included.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&NewEvent, &Payload)> {
        self.encoded.events()
    }

    /// The append as it is written.
    #[must_use]
    pub const fn encoded(&self) -> &EncodedAppend {
        &self.encoded
    }
}

/// Who has an append: as long as it waits the caller may take it back, and knows for certain that it was not written.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU8);

const WAITING: u8 = 0;
const SENT: u8 = 1;
const TAKEN_BACK: u8 = 2;

impl Progress {
    /// Called by the writer before an append is sent; `false` when the caller has taken it back.
    fn send(&self) -> bool {
        self.0.compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire) != Err(TAKEN_BACK)
    }

    /// Called by the writer when what it sent was certainly not written.
    fn wait(&self) {
        let _ = self.0.compare_exchange(SENT, WAITING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Called by the caller whose time is up; `false` when the append was sent.
    pub fn take_back(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN_BACK, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_taken_back(&self) -> bool {
        self.0.load(Ordering::Acquire) == TAKEN_BACK
    }
}

/// Takes an append back when its caller goes away before it was sent.
pub(super) struct TakeBackOnDrop(pub Arc<Progress>);

impl Drop for TakeBackOnDrop {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

/// Appends that are written together.
#[derive(Debug)]
pub struct Group {
    pub(super) appends: Vec<Queued>,
    /// It was sent once and not answered: only the log knows whether it was written.
    pub(super) unanswered: bool,
}

impl Group {
    /// What waits, up to the bounds, and the questions among it: they are asked behind the group.
    pub(super) fn take(first: Message, queue: &mut mpsc::UnboundedReceiver<Message>) -> (Self, Vec<Question>) {
        let (mut events, mut bytes) = (0, 0);
        let mut group = Self { appends: Vec::new(), unanswered: false };
        let mut questions = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Append(append) => {
                    events += append.events().len();
                    bytes += append.encoded.bytes();
                    group.appends.push(append);
                }
                Message::Outcome(question) => {
                    events += question.ids.len();
                    questions.push(question);
                }
            }
            next = if events < GROUP_EVENTS && bytes < GROUP_BYTES { queue.try_recv().ok() } else { None };
        }
        (group, questions)
    }

    /// The appends as they wait: callers may still take them back.
    #[must_use]
    pub fn waiting(&self) -> &[Queued] {
        &self.appends
    }

    /// Call it right before the first thing is sent that may write: what callers took back falls out, the rest cannot be
    /// taken back any more. A caller who has gone asks for the outcome by id, or does not care.
    pub fn send(&mut self) -> &[Queued] {
        self.appends.retain(|queued| !queued.reply.is_closed() && queued.progress.send());
        &self.appends
    }

    /// Drops the appends whose callers have gone or taken them back; `false` when none is left.
    pub(super) fn is_wanted(&mut self) -> bool {
        self.appends.retain(|queued| !queued.reply.is_closed() && !queued.progress.is_taken_back());
        !self.appends.is_empty()
    }

    /// Nothing of the last attempt was written: callers may take their appends back again, unless an earlier attempt was
    /// never answered.
    pub(super) fn not_written(&self) {
        if !self.unanswered {
            self.appends.iter().for_each(|queued| queued.progress.wait());
        }
    }

    /// Splits off the second half.
    pub(super) fn halve(&mut self) -> Self {
        Self { appends: self.appends.split_off(self.appends.len() / 2), unanswered: self.unanswered }
    }
}
