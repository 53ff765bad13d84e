//! Stores and read models in memory that fail when they are told to.

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_testkit::{FaultyEventStore, FaultyReadModel};

mod letters;

pub use cqrs_testkit::{Fault, Gate};
pub use letters::FaultyLetters;

pub type FaultyStore = FaultyEventStore<InMemoryEventStore>;
pub type FaultySink = FaultyReadModel<InMemoryReadModel>;
