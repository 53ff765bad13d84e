//! Faults that a test injects into the ports that its system uses.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cqrs_core::Failure;
use tokio::sync::watch;

mod event_store;
mod read_model;
#[cfg(test)]
mod tests;

pub use event_store::FaultyEventStore;
pub use read_model::FaultyReadModel;

use crate::fail::fail;

/// How long a test waits for a call that is to be held back, before it fails.
const IN_VAIN: Duration = Duration::from_secs(60);

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is made as ever.
    None,
    /// It fails and may be tried again; nothing has happened.
    Before,
    /// It happens, and its answer is lost: an append is [unknown](cqrs_core::AppendError::Unknown), other calls fail and may be
    /// tried again.
    After,
    /// It fails for good; nothing has happened.
    Permanent,
    /// An append conflicts with another writer, on the first stream or query of which it expects something; nothing was written. As [`Before`](Self::Before) for other calls.
    Conflict,
    /// A batch is written in part, without its checkpoint, as by a sink that is not atomic. As [`Before`](Self::Before) for
    /// other calls.
    Torn,
}

/// The faults to come: what a test tells a [`FaultyEventStore`], a [`FaultyReadModel`], or a double of its own, whose calls go
/// through [`around`](Self::around). Clones share them.
///
/// Calls are named like the methods of the port. For each of them, what is to happen [`next`](Self::next) comes first, then
/// what happens [`always`](Self::always), then what was said of whichever call comes first.
#[derive(Debug, Clone)]
pub struct Faults {
    calls: &'static [&'static str],
    script: Arc<Mutex<Script>>,
    /// Says that a call was made.
    made: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Script {
    next: HashMap<&'static str, VecDeque<Fault>>,
    always: HashMap<&'static str, Fault>,
    /// For whichever of these calls comes first.
    any: Vec<(Vec<&'static str>, VecDeque<Fault>)>,
    made: HashMap<&'static str, usize>,
    gates: HashMap<&'static str, watch::Receiver<bool>>,
}

impl Faults {
    /// No faults, for a double of a port with these calls.
    #[must_use]
    pub fn of(calls: &'static [&'static str]) -> Self {
        Self { calls, script: Arc::default(), made: watch::Sender::new(()) }
    }

    /// The next calls of this name end so, in turn.
    ///
    /// # Panics
    /// When there is no such call.
    #[track_caller]
    pub fn next(&self, call: &str, faults: impl IntoIterator<Item = Fault>) {
        let call = self.known(call);
        self.script().next.entry(call).or_default().extend(faults);
    }

    /// All calls of this name end so from now on.
    ///
    /// # Panics
    /// When there is no such call.
    #[track_caller]
    pub fn always(&self, call: &str, fault: Fault) {
        let call = self.known(call);
        self.script().always.insert(call, fault);
    }

    /// The next calls of these names end so, in turn, whichever comes first.
    ///
    /// # Panics
    /// When there is no such call.
    #[track_caller]
    pub fn any(&self, calls: &[&str], faults: impl IntoIterator<Item = Fault>) {
        let calls = calls.iter().map(|call| self.known(call)).collect();
        self.script().any.push((calls, faults.into_iter().collect()));
    }

    /// No faults any more. Calls that are held back stay so.
    pub fn heal(&self) {
        let mut script = self.script();
        script.next.clear();
        script.always.clear();
        script.any.clear();
    }

    /// How often this call was made.
    ///
    /// # Panics
    /// When there is no such call.
    #[must_use]
    #[track_caller]
    pub fn calls(&self, call: &str) -> usize {
        let call = self.known(call);
        self.script().made.get(call).copied().unwrap_or(0)
    }

    /// Holds calls of this name back, except those that fail, until the gate is dropped.
    ///
    /// # Panics
    /// When there is no such call.
    #[must_use = "calls are held back until it is dropped"]
    #[track_caller]
    pub fn gate(&self, call: &str) -> Gate {
        let call = self.known(call);
        let (opened, gate) = watch::channel(false);
        let mut script = self.script();
        script.gates.insert(call, gate);
        let before = script.made.get(call).copied().unwrap_or(0);
        drop(script);
        Gate { opened, faults: self.clone(), call, before }
    }

    /// Lets calls of this name go on that are held back by a gate which was forgotten.
    ///
    /// # Panics
    /// When there is no such call.
    #[track_caller]
    pub fn open(&self, call: &str) {
        let call = self.known(call);
        self.script().gates.remove(call);
    }

    /// Makes a call with the fault that it has coming, for a double of a port whose errors tell what may be tried again.
    ///
    /// # Errors
    /// Those of the call, and those that are made of faults.
    ///
    /// # Panics
    /// When there is no such call.
    pub async fn around<T, E>(
        &self,
        call: &str,
        made: impl Future<Output = Result<T, E>>,
        transient: fn(Failure) -> E,
        permanent: fn(Failure) -> E,
    ) -> Result<T, E> {
        match self.draw(call).await {
            Fault::Before | Fault::Conflict | Fault::Torn => Err(transient(out_of_order())),
            Fault::Permanent => Err(permanent(refused())),
            Fault::After => {
                made.await?;
                Err(transient(no_answer()))
            }
            Fault::None => {
                let done = made.await;
                tokio::task::yield_now().await;
                done
            }
        }
    }

    /// What happens to a call that is made now. Every call yields, so that whoever makes it can be dropped there.
    async fn draw(&self, call: &str) -> Fault {
        let call = self.known(call);
        let (fault, gate) = {
            let mut script = self.script();
            *script.made.entry(call).or_default() += 1;
            (script.draw(call), script.gates.get(call).cloned())
        };
        self.made.send_replace(());
        if let (Some(mut gate), Fault::None) = (gate, fault) {
            // It is dropped only after it was opened.
            let _ = gate.wait_for(|opened| *opened).await;
        }
        tokio::task::yield_now().await;
        fault
    }

    #[track_caller]
    fn known(&self, call: &str) -> &'static str {
        let known = self.calls.iter().find(|known| **known == call);
        known.unwrap_or_else(|| fail(&format!("there is no call {call:?}, only {}", self.calls.join(", "))))
    }

    /// A panic leaves whole values behind.
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn draw(&mut self, call: &'static str) -> Fault {
        let next = self.next.get_mut(call).and_then(VecDeque::pop_front);
        let fault = next.or_else(|| self.always.get(call).copied());
        let mut any = self.any.iter_mut().filter(|(calls, _)| calls.contains(&call));
        fault.or_else(|| any.find_map(|(_, faults)| faults.pop_front())).unwrap_or(Fault::None)
    }
}

/// Holds calls back until it is dropped.
#[derive(Debug)]
pub struct Gate {
    opened: watch::Sender<bool>,
    faults: Faults,
    call: &'static str,
    /// Calls before it.
    before: usize,
}

impl Gate {
    /// Waits until a call was made since the gate was put there.
    ///
    /// # Panics
    /// When none is made within a minute.
    pub async fn reached(&self) {
        let mut made = self.faults.made.subscribe();
        let reached = made.wait_for(|()| self.faults.calls(self.call) > self.before);
        if tokio::time::timeout(IN_VAIN, reached).await.is_err() {
            fail(&format!("no call of {:?} was made", self.call))
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.faults.script().gates.remove(self.call);
        self.opened.send_replace(true);
    }
}

fn out_of_order() -> Failure {
    Failure::new("out of order")
}

fn refused() -> Failure {
    Failure::new("refused")
}

fn no_answer() -> Failure {
    Failure::new("no answer")
}
