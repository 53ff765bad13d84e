//! What the property tests project.

use std::ops::Range;

use cqrs_core::NewEvent;
use cqrs_projections::Projections;

use crate::faulty::{FaultySink, FaultyStore};
use crate::ledger::Spread;
use crate::{clubs, ledger};

/// The projection.
pub const NAME: &str = "sheets";

/// What is folded.
pub trait Subject {
    fn add(projections: Projections, partitions: u16, sink: FaultySink) -> Projections;
    fn events(seeds: Range<u64>) -> Vec<NewEvent>;
    async fn assert_right(store: &FaultyStore, sink: &FaultySink);
}

/// Documents alone.
pub struct Ledger;

impl Subject for Ledger {
    fn add(projections: Projections, partitions: u16, sink: FaultySink) -> Projections {
        projections.add(NAME, Spread(partitions), sink)
    }

    fn events(seeds: Range<u64>) -> Vec<NewEvent> {
        seeds.flat_map(ledger::some).collect()
    }

    async fn assert_right(store: &FaultyStore, sink: &FaultySink) {
        assert_eq!(ledger::documents(&sink.inner(), NAME).await, ledger::oracle(&store.inner).await);
    }
}

/// Joined documents.
pub struct Clubs;

impl Subject for Clubs {
    fn add(projections: Projections, partitions: u16, sink: FaultySink) -> Projections {
        projections.add_join(NAME, clubs::Members(partitions), sink)
    }

    fn events(seeds: Range<u64>) -> Vec<NewEvent> {
        seeds.flat_map(|seed| clubs::some(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32)).collect()
    }

    async fn assert_right(store: &FaultyStore, sink: &FaultySink) {
        assert_eq!(clubs::documents(&sink.inner(), NAME).await, clubs::oracle(&store.inner).await);
    }
}
