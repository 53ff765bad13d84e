//! Commands on cached aggregates, decided in line: each on the state that the one before it leaves.
//!
//! While one append is being committed, the commands that arrive meanwhile wait; then all of them are decided one after the
//! other and written in one append. They succeed together or are decided again together, and are answered only after the
//! commit: a command on a hot aggregate does not wait for a commit of its own.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

mod decided;
mod turn;

use super::fold::Fold;
use super::{ExecuteError, Executed, Repository};
use crate::aggregate::Apply;
use crate::command::Context;
use crate::failure::Failure;
use crate::id::CommandId;
use crate::name::StreamName;

/// Commands that are decided and written together at most.
const TOGETHER: usize = 256;

type Outcome<A> = Result<Executed, ExecuteError<<A as crate::Aggregate>::Error>>;
type Decision<A> = Result<Vec<<A as crate::Aggregate>::Event>, <A as crate::Aggregate>::Error>;
/// Decides a command on a state; called again when another writer was faster.
type Decide<A> = Box<dyn Fn(&A) -> Decision<A> + Send>;

/// The lines of the aggregates that were used lately.
pub(super) struct Lines<A: Apply>(moka::sync::Cache<StreamName, Arc<Line<A>>>);

/// One aggregate: its state, and the commands that wait for it.
struct Line<A: Apply> {
    stream: StreamName,
    inner: Mutex<Inner<A>>,
}

struct Inner<A: Apply> {
    waiting: Vec<Waiting<A>>,
    /// Whether a task decides the commands of this line.
    running: bool,
    /// The state after the last commit that is known of. Others may have written since: the append's own version check
    /// finds that out.
    state: Option<Fold<A>>,
}

/// A command that waits to be decided, perhaps more than once.
pub(super) struct Waiting<A: Apply> {
    pub decide: Decide<A>,
    pub context: Context,
    pub command_id: CommandId,
    pub reply: oneshot::Sender<Outcome<A>>,
}

impl<A: Apply> Lines<A> {
    pub fn new(aggregates: u64) -> Self {
        Self(moka::sync::Cache::new(aggregates))
    }

    fn line(&self, stream: &StreamName) -> Arc<Line<A>> {
        self.0.get_with_by_ref(stream, || {
            let inner = Inner { waiting: Vec::new(), running: false, state: None };
            Arc::new(Line { stream: stream.clone(), inner: Mutex::new(inner) })
        })
    }

    /// Drops the cached state of an aggregate.
    pub fn forget(&self, stream: &StreamName) {
        if let Some(line) = self.0.get(stream) {
            line.take_state();
        }
    }

    /// The cached state of an aggregate, which may be past.
    pub fn cached(&self, stream: &StreamName) -> Option<Fold<A>> {
        self.0.get(stream).and_then(|line| line.lock().state.clone())
    }
}

impl<A: Apply> Clone for Lines<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: Apply> fmt::Debug for Lines<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("aggregates", &self.0.entry_count()).finish()
    }
}

impl<A: Apply> Line<A> {
    /// Every change below is one assignment; a panic of user code happens outside of the lock.
    fn lock(&self) -> MutexGuard<'_, Inner<A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_state(&self) -> Option<Fold<A>> {
        self.lock().state.take()
    }

    fn keep(&self, state: Fold<A>) {
        self.lock().state = Some(state);
    }

    /// The next commands; `None` when there are none, and the task ends.
    fn next(&self) -> Option<Vec<Waiting<A>>> {
        let mut inner = self.lock();
        if inner.waiting.is_empty() {
            inner.running = false;
            return None;
        }
        let together = inner.waiting.len().min(TOGETHER);
        Some(inner.waiting.drain(..together).collect())
    }
}

impl<A: Apply> Repository<A> {
    /// Puts a command into the line of its aggregate and waits for its outcome.
    pub(super) async fn execute_in_line(
        &self,
        lines: &Lines<A>,
        stream: &StreamName,
        decide: Decide<A>,
        context: Context,
        command_id: CommandId,
    ) -> Outcome<A> {
        let line = lines.line(stream);
        let (reply, outcome) = oneshot::channel();
        let idle = {
            let mut inner = line.lock();
            inner.waiting.push(Waiting { decide, context, command_id, reply });
            !std::mem::replace(&mut inner.running, true)
        };
        if idle {
            // A task of its own: a caller that goes away leaves no others waiting.
            tokio::spawn(self.clone().run_line(Running(line)));
        }
        let gone = || ExecuteError::Permanent(Failure::new("the decision panicked"));
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }

    async fn run_line(self, running: Running<A>) {
        let line = &running.0;
        while let Some(batch) = line.next() {
            let several = batch.len() > 1;
            self.take_turn(line, batch).await;
            if several {
                // Those who were just answered are about to come again.
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Ends the line's task also when user code panics in it: those who wait are told, and the state is read again.
struct Running<A: Apply>(Arc<Line<A>>);

impl<A: Apply> Drop for Running<A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut inner = self.0.lock();
            let waiting = std::mem::take(&mut inner.waiting);
            inner.running = false;
            inner.state = None;
            drop(inner);
            drop(waiting);
        }
    }
}
