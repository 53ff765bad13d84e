//! Which snapshots wait to be written: of each stream the newest one, and no more streams than there is room for. Pure.

use std::collections::{HashMap, VecDeque};

use crate::name::StreamName;
use crate::snapshot_policy::Mark;

/// How many are written at once.
const AT_ONCE: usize = 8;

/// How many wait at most: each is a state in memory.
const WAITING: usize = 256;

/// Per stream one is written at a time, and one waits.
pub(super) struct Queue<T> {
    waiting: HashMap<StreamName, (Mark, T)>,
    /// Those of the waiting whose stream is not being written.
    order: VecDeque<StreamName>,
    writing: HashMap<StreamName, Mark>,
    writers: usize,
}

impl<T> Queue<T> {
    pub fn new() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), writing: HashMap::new(), writers: 0 }
    }

    /// The newest snapshot of the stream that waits or is being written.
    pub fn newest(&self, stream: &StreamName) -> Option<Mark> {
        let waiting = self.waiting.get(stream).map(|(mark, _)| *mark);
        waiting.max(self.writing.get(stream).copied())
    }

    /// Whether another one of this stream may wait.
    pub fn has_room(&self, stream: &StreamName) -> bool {
        self.waiting.contains_key(stream) || self.waiting.len() < WAITING
    }

    /// Puts one in, in the place of an older one of the stream. `true` when another writer is to be started.
    pub fn put(&mut self, stream: &StreamName, mark: Mark, snapshot: T) -> bool {
        if self.newest(stream).is_some_and(|newest| newest >= mark) || !self.has_room(stream) {
            return false;
        }
        if self.waiting.insert(stream.clone(), (mark, snapshot)).is_none() && !self.writing.contains_key(stream) {
            self.order.push_back(stream.clone());
        }
        let start = self.writers < AT_ONCE && self.writers < self.order.len() + self.writing.len();
        self.writers += usize::from(start);
        start
    }

    /// The next one for a writer; `None` when there is none, and the writer ends.
    pub fn take(&mut self) -> Option<(StreamName, T)> {
        let next = self.order.pop_front().and_then(|stream| self.waiting.remove_entry(&stream));
        let Some((stream, (mark, snapshot))) = next else {
            self.writer_ended();
            return None;
        };
        self.writing.insert(stream.clone(), mark);
        Some((stream, snapshot))
    }

    /// A writer has written what it took, or given it up.
    pub fn done(&mut self, stream: &StreamName) {
        self.writing.remove(stream);
        if self.waiting.contains_key(stream) {
            self.order.push_back(stream.clone());
        }
    }

    /// A writer has ended before it found nothing to do.
    pub fn writer_ended(&mut self) {
        self.writers = self.writers.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Timestamp;

    fn mark(version: u64) -> Mark {
        Mark { version, recorded_at: Timestamp::MIN }
    }

    fn stream(number: usize) -> StreamName {
        StreamName::of("counter", &number).unwrap()
    }

    #[test]
    fn a_burst_on_one_stream_is_one_that_is_written_and_the_newest_one_waiting() {
        let (mut queue, stream) = (Queue::new(), stream(1));
        assert!(queue.put(&stream, mark(1), 1), "a writer starts");
        assert_eq!(queue.take(), Some((stream.clone(), 1)));
        for version in 2..=500 {
            assert!(!queue.put(&stream, mark(version), version), "no other writer may write this stream");
        }
        assert_eq!((queue.order.len(), queue.newest(&stream)), (0, Some(mark(500))));
        queue.done(&stream);
        assert_eq!(queue.take(), Some((stream.clone(), 500)));
        queue.done(&stream);
        assert_eq!((queue.take(), queue.newest(&stream)), (None, None));
    }

    #[test]
    fn an_older_one_that_comes_late_is_left_out() {
        let (mut queue, stream) = (Queue::new(), stream(1));
        queue.put(&stream, mark(5), 5);
        assert!(!queue.put(&stream, mark(4), 4));
        assert_eq!(queue.take(), Some((stream.clone(), 5)));
        queue.put(&stream, mark(4), 4);
        queue.done(&stream);
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn writers_and_waiting_streams_are_bounded() {
        let mut queue = Queue::new();
        let started = (0..1_000).filter(|number| queue.put(&stream(*number), mark(1), *number)).count();
        assert_eq!((started, queue.waiting.len()), (AT_ONCE, WAITING));
        assert!(queue.has_room(&stream(0)) && !queue.has_room(&stream(WAITING)));
        assert!(!queue.put(&stream(0), mark(2), 2_000), "those who wait already may be newer");
        for number in 0..WAITING {
            let taken = queue.take().unwrap();
            assert_eq!(taken, (stream(number), if number == 0 { 2_000 } else { number }));
            queue.done(&taken.0);
        }
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn a_writer_that_broke_off_makes_room_for_another() {
        let mut queue = Queue::new();
        for number in 0..AT_ONCE + 1 {
            queue.put(&stream(number), mark(1), ());
        }
        assert_eq!(queue.writers, AT_ONCE);
        queue.take();
        queue.done(&stream(0));
        queue.writer_ended();
        assert!(queue.put(&stream(100), mark(1), ()), "the ninth has waited for it");
    }
}
