//! Writes snapshots in the background.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue::Queue;
use super::{Files, Unsaved};
use crate::aggregate::Apply;
use crate::name::StreamName;
use crate::snapshot_policy::Mark;

/// Of how many aggregates it is remembered that a snapshot was taken: their states that were loaded before know nothing of
/// it.
const REMEMBERED: u64 = 10_000;

/// How long that is remembered: others may drop it meanwhile.
const MEMORY: Duration = Duration::from_secs(60);

pub(super) struct Writer<A> {
    files: Arc<Files<A>>,
    queue: Mutex<Queue<Unsaved<A>>>,
    saved: moka::sync::Cache<StreamName, Mark>,
}

impl<A: Apply> Writer<A> {
    pub fn new(files: Arc<Files<A>>) -> Self {
        let saved = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(MEMORY).build();
        Self { files, queue: Mutex::new(Queue::new()), saved }
    }

    /// The newest snapshot that was written here, and the newest one that is about to be.
    pub fn newest(&self, stream: &StreamName) -> (Option<Mark>, Option<Mark>) {
        let pending = self.queue().newest(stream);
        (self.saved.get(stream), pending)
    }

    /// The snapshot was written, or never can be.
    pub fn settled(&self, stream: &StreamName, mark: Mark) {
        let newer = self.saved.get(stream).is_some_and(|saved| saved > mark);
        if !newer {
            self.saved.insert(stream.clone(), mark);
        }
    }

    /// The stream has no snapshots any more.
    pub fn forget(&self, stream: &StreamName) {
        self.saved.invalidate(stream);
    }

    /// Takes a snapshot when there is room for it; the state is asked for then only.
    pub fn offer(self: &Arc<Self>, stream: &StreamName, mark: Mark, unsaved: impl FnOnce() -> Unsaved<A>) {
        if !self.queue().has_room(stream) {
            tracing::debug!(%stream, "too many snapshots wait; this one is left to a later event");
            return;
        }
        // The state is cloned outside of the lock.
        let unsaved = unsaved();
        if self.queue().put(stream, mark, unsaved) {
            tokio::spawn(Running { writer: Arc::clone(self), stream: None, ended: false }.run());
        }
    }

    /// Nothing in here panics while it holds the lock.
    fn queue(&self) -> MutexGuard<'_, Queue<Unsaved<A>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One task that writes. It ends well also when the user's code panics in it.
struct Running<A: Apply> {
    writer: Arc<Writer<A>>,
    stream: Option<StreamName>,
    ended: bool,
}

impl<A: Apply> Running<A> {
    async fn run(mut self) {
        loop {
            let taken = self.writer.queue().take();
            let Some((stream, unsaved)) = taken else {
                self.ended = true;
                return;
            };
            self.stream = Some(stream.clone());
            let saved = self.writer.files.save(&stream, &unsaved).await;
            let settled = match saved {
                Ok(_) => true,
                Err(error) => {
                    tracing::warn!(%stream, %error, "a snapshot was not saved");
                    // What cannot succeed is not tried again with each event, but when the next snapshot is due.
                    !error.is_transient()
                }
            };
            if settled {
                self.writer.settled(&stream, unsaved.last.mark());
            }
            self.done();
        }
    }

    fn done(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.writer.queue().done(&stream);
        }
    }
}

impl<A: Apply> Drop for Running<A> {
    fn drop(&mut self) {
        if !self.ended {
            self.done();
            self.writer.queue().writer_ended();
        }
    }
}
