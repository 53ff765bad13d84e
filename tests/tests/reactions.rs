//! Reactors on PostgreSQL: one process at a time reacts, and another one goes on where it ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{CheckpointStore, EventId, GlobalPosition, Recorded};
use cqrs_postgres::PgEventStore;
use cqrs_projections::{ReactError, Reactions, Reactor, RunningReactions};
use cqrs_tests::database::{Database, log};
use cqrs_tests::ledger::{LedgerEvent, go_on};
use cqrs_tests::wait::{AT_MOST, until};

/// What all processes have sent, in order.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<(GlobalPosition, EventId)>>>);

#[async_trait]
impl Reactor for Sent {
    type Event = LedgerEvent;

    async fn react(&self, event: &Recorded<LedgerEvent>) -> Result<(), ReactError> {
        self.0.lock().unwrap().push((event.position, event.id));
        Ok(())
    }
}

async fn process(store: &PgEventStore, sent: &Sent) -> RunningReactions {
    let reactions = Reactions::new(store.clone(), store.checkpoints()).add_from_beginning("mail", sent.clone());
    let reactions = reactions.leases(store.leases()).lease_time(Duration::from_secs(2));
    reactions.start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reacts_dies_and_another_process_goes_on_with_the_next_event() {
    let database = Database::new();
    let store = database.migrated().await;
    let sent = Sent::default();
    let mut running = process(&store, &sent).await;
    for round in 0..3 {
        let next = process(&store, &sent).await;
        let mut position = GlobalPosition::START;
        for seed in 0..40 {
            position = go_on(&store, round * 100 + seed).await;
        }
        until("some is done", || async { (sent.0.lock().unwrap().len() > 40).then_some(()) }).await;
        // In the middle of whatever it does; its lease runs out.
        drop(std::mem::replace(&mut running, next));
        running.wait_for(position, AT_MOST).await.unwrap();
        let stored = store.checkpoints().load(&"mail".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((stored.position, stored.token.get()), (position, round + 2));
    }
    running.stop().await;
    let mut sent = sent.0.lock().unwrap().clone();
    assert!(sent.windows(2).all(|pair| pair[0].0 <= pair[1].0), "in order");
    sent.dedup();
    let all: Vec<_> = log(&store).await.into_iter().map(|event| (event.position, event.id)).collect();
    assert_eq!(sent, all, "each at least once, and twice only what was cut off");
}
