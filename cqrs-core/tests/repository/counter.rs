//! A small aggregate with a snapshot every five events.

use cqrs_core::{Aggregate, Apply, DomainEvent, Handle};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(domain = "counter")]
pub enum CounterEvent {
    Added { amount: i64 },
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the counter stands at {total} already")]
pub struct Reached {
    pub total: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "counter", id = String, event = CounterEvent, error = Reached, snapshot(every = 5, version = 1))]
pub struct Counter {
    pub total: i64,
}

/// Adds an amount.
pub struct Add(pub i64);

/// Adds one, so many times.
pub struct AddOnes(pub usize);

/// Adds one for each that is missing; rejected when none is.
pub struct FillUpTo(pub i64);

/// Adds what is missing in one event; does nothing when nothing is.
pub struct TopUpTo(pub i64);

impl Apply for Counter {
    fn apply(&mut self, event: &CounterEvent) {
        let CounterEvent::Added { amount } = event;
        self.total += amount;
    }
}

impl Handle<Add> for Counter {
    fn handle(&self, command: &Add) -> Result<Vec<CounterEvent>, Reached> {
        Ok(vec![CounterEvent::Added { amount: command.0 }])
    }
}

impl Handle<AddOnes> for Counter {
    fn handle(&self, command: &AddOnes) -> Result<Vec<CounterEvent>, Reached> {
        Ok(vec![CounterEvent::Added { amount: 1 }; command.0])
    }
}

impl Handle<FillUpTo> for Counter {
    fn handle(&self, command: &FillUpTo) -> Result<Vec<CounterEvent>, Reached> {
        match usize::try_from(command.0 - self.total) {
            Ok(missing) if missing > 0 => Ok(vec![CounterEvent::Added { amount: 1 }; missing]),
            _ => Err(Reached { total: self.total }),
        }
    }
}

impl Handle<TopUpTo> for Counter {
    fn handle(&self, command: &TopUpTo) -> Result<Vec<CounterEvent>, Reached> {
        let missing = command.0 - self.total;
        Ok(if missing > 0 { vec![CounterEvent::Added { amount: missing }] } else { vec![] })
    }
}

/// The same streams, read into a state of another shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "counter", id = String, event = CounterEvent, error = Reached, snapshot(every = 5, version = 2))]
pub struct CounterOfToday {
    pub total: i64,
    pub events: u64,
}

impl Apply for CounterOfToday {
    fn apply(&mut self, event: &CounterEvent) {
        let CounterEvent::Added { amount } = event;
        self.total += amount;
        self.events += 1;
    }
}

impl Handle<Add> for CounterOfToday {
    fn handle(&self, command: &Add) -> Result<Vec<CounterEvent>, Reached> {
        Ok(vec![CounterEvent::Added { amount: command.0 }])
    }
}

impl Handle<AddOnes> for CounterOfToday {
    fn handle(&self, command: &AddOnes) -> Result<Vec<CounterEvent>, Reached> {
        Ok(vec![CounterEvent::Added { amount: 1 }; command.0])
    }
}

/// An aggregate that says nothing of snapshots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(stream = "bare", id = String, event = CounterEvent, error = Reached)]
pub struct Bare {
    pub total: i64,
}

impl Apply for Bare {
    fn apply(&mut self, event: &CounterEvent) {
        let CounterEvent::Added { amount } = event;
        self.total += amount;
    }
}

impl Handle<Add> for Bare {
    fn handle(&self, command: &Add) -> Result<Vec<CounterEvent>, Reached> {
        Ok(vec![CounterEvent::Added { amount: command.0 }])
    }
}

pub fn id() -> String {
    "a".to_owned()
}
