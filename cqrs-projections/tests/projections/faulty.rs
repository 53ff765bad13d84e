//! Stores and read models that fail when they are told to.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};

use cqrs_core::Failure;
use tokio::sync::watch;

mod letters;
mod sink;
mod store;

pub use letters::FaultyLetters;
pub use sink::FaultySink;
pub use store::FaultyStore;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It fails, and nothing has happened.
    Before,
    /// It happens, and yet it fails: the answer is lost.
    After,
    /// A batch is written in part, without its checkpoint. As `Before` for other calls.
    Torn,
    /// It fails for good.
    Permanent,
}

/// The faults to come, shared with the test.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    /// For the next calls of one operation.
    of: HashMap<&'static str, VecDeque<Fault>>,
    /// For the next calls of whatever operation.
    any: VecDeque<Fault>,
    always: HashMap<&'static str, Fault>,
    calls: HashMap<&'static str, usize>,
    gates: HashMap<&'static str, watch::Receiver<bool>>,
}

/// Lets the calls that it holds back go on when it is opened or dropped.
#[derive(Debug)]
pub struct Gate {
    opened: watch::Sender<bool>,
    faults: Faults,
    operation: &'static str,
    /// Calls before it.
    before: usize,
}

impl Faults {
    /// The next calls of `operation` end so.
    pub fn next(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().of.entry(operation).or_default().extend(faults);
    }

    /// The next calls end so, whatever they are.
    pub fn any(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().any.extend(faults);
    }

    /// All calls of `operation` end so from now on.
    pub fn always(&self, operation: &'static str, fault: Fault) {
        self.0.lock().unwrap().always.insert(operation, fault);
    }

    /// No faults any more.
    pub fn heal(&self) {
        let mut script = self.0.lock().unwrap();
        script.of.clear();
        script.any.clear();
        script.always.clear();
    }

    /// How often `operation` was called.
    pub fn calls(&self, operation: &'static str) -> usize {
        self.0.lock().unwrap().calls.get(operation).copied().unwrap_or(0)
    }

    /// Holds the calls of `operation` back that do not fail.
    pub fn gate(&self, operation: &'static str) -> Gate {
        let (opened, gate) = watch::channel(false);
        self.0.lock().unwrap().gates.insert(operation, gate);
        Gate { opened, faults: self.clone(), operation, before: self.calls(operation) }
    }

    /// Lets all calls of `operation` go on whose gate was forgotten.
    pub fn open(&self, operation: &'static str) {
        self.0.lock().unwrap().gates.remove(operation);
    }

    /// Every call yields, so that whoever makes it can be dropped there.
    async fn draw(&self, operation: &'static str) -> Fault {
        let (fault, gate) = {
            let mut script = self.0.lock().unwrap();
            *script.calls.entry(operation).or_default() += 1;
            let next = script.of.get_mut(operation).and_then(VecDeque::pop_front);
            let always = script.always.get(operation).copied();
            let fault = next.or(always).or_else(|| script.any.pop_front()).unwrap_or(Fault::None);
            (fault, script.gates.get(operation).cloned())
        };
        if let (Some(mut gate), Fault::None) = (gate, fault) {
            let _ = gate.wait_for(|opened| *opened).await;
        }
        tokio::task::yield_now().await;
        fault
    }

    async fn around<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>>,
        transient: fn(Failure) -> E,
        permanent: fn(Failure) -> E,
    ) -> Result<T, E> {
        match self.draw(operation).await {
            Fault::Before | Fault::Torn => Err(transient(Failure::new("out of order"))),
            Fault::Permanent => Err(permanent(Failure::new("refused"))),
            Fault::After => {
                call.await?;
                Err(transient(Failure::new("no answer")))
            }
            Fault::None => {
                let done = call.await;
                tokio::task::yield_now().await;
                done
            }
        }
    }
}

impl Gate {
    /// Waits until a call is held back.
    pub async fn reached(&self) {
        crate::ledger::until(self.operation, || async { self.faults.calls(self.operation) > self.before }).await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.faults.0.lock().unwrap().gates.remove(self.operation);
        self.opened.send_replace(true);
    }
}
