//! Several processes. Time is virtual: it passes when nothing else happens.

use std::time::Duration;

use cqrs_core::in_memory::InMemoryLeaseStore;
use cqrs_projections::{PartitionOwner, Replay, Running};

use super::{World, count, of, waiting};
use crate::ledger::{LONG, append, append_some, paid};

const LEASE: Duration = Duration::from_secs(10);

async fn process(world: &World, leases: &InMemoryLeaseStore) -> Running {
    world.projections().leases(leases.clone()).lease_time(LEASE).start().await.unwrap()
}

async fn is_writing(running: &Running, all: usize) -> usize {
    let partitions = running.status().await.swap_remove(0).partitions;
    assert_eq!(partitions.len(), all);
    partitions.iter().filter(|partition| partition.owner == PartitionOwner::ThisProcess).count()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let condition = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(20 * LEASE, condition).await.is_ok(), "in vain: {what}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_done_by_the_process_that_writes_the_partition_whoever_asks() {
    let (world, leases) = (World::of(4, [13]), InMemoryLeaseStore::new());
    let (one, two) = (process(&world, &leases).await, process(&world, &leases).await);
    until("they share", async || is_writing(&one, 4).await == 2 && is_writing(&two, 4).await == 2).await;
    let refused = ["a", "b", "c", "d", "e"].map(|account| paid(account, 13)).into();
    append(&world.store, refused).await;
    let last = append_some(&world.store, 0..10).await;
    for process in [&one, &two] {
        let reached = process.wait_for(last, LONG).await.unwrap();
        assert_eq!(reached.dead_letters[0].count.documents, 5, "whoever writes them");
        assert_eq!(count(process).await.documents, 5);
    }
    world.projector.flaws.mend(13);
    assert_eq!(of(&one).replay(Replay::All).await.unwrap(), 5);
    until("all are replayed", async || count(&two).await.documents == 0).await;
    let last = append_some(&world.store, 10..12).await;
    two.wait_for(last, LONG).await.unwrap();
    world.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn parked_documents_are_taken_over_with_their_partition() {
    for killed in [true, false] {
        let (world, leases) = (World::of(3, [13]), InMemoryLeaseStore::new());
        let first = process(&world, &leases).await;
        append(&world.store, vec![paid("a", 1), paid("a", 13), paid("b", 13)]).await;
        let last = append_some(&world.store, 0..3).await;
        first.wait_for(last, LONG).await.unwrap();
        let second = process(&world, &leases).await;
        match killed {
            true => drop(first),
            false => first.stop().await,
        }
        let last = append_some(&world.store, 3..6).await;
        second.wait_for(last, LONG).await.unwrap();
        assert_eq!(count(&second).await.documents, 2);
        assert!(waiting(&second, "a").await.len() > 1);
        world.projector.flaws.mend(13);
        of(&second).replay(Replay::All).await.unwrap();
        until("all are replayed", async || count(&second).await.documents == 0).await;
        world.assert_right().await;
    }
}

#[tokio::test(start_paused = true)]
async fn letters_of_a_process_that_has_lost_its_lease_are_refused() {
    let (world, leases) = (World::of(1, [13]), InMemoryLeaseStore::new());
    let frozen = process(&world, &leases).await;
    let last = append(&world.store, vec![paid("a", 1)]).await;
    frozen.wait_for(last, LONG).await.unwrap();
    // It is about to keep a letter when the other one, whose projector takes the event, takes over.
    let gate = world.letters.faults.gate("keep");
    let last = append(&world.store, vec![paid("a", 13), paid("a", 2)]).await;
    gate.reached().await;
    let mended = World {
        store: world.store.clone(),
        sink: world.sink.clone(),
        letters: crate::faulty::FaultyLetters { inner: world.letters.inner.clone(), ..Default::default() },
        batches: world.batches,
        projector: super::Flawed { flaws: super::Flaws::of([]), partitions: 1 },
    };
    let other = process(&mended, &InMemoryLeaseStore::new()).await;
    other.wait_for(last, LONG).await.unwrap();
    world.assert_right().await;
    drop(other);
    drop(gate);
    until("the other one has it back", async || frozen.wait_for(last, LONG).await.is_ok()).await;
    assert_eq!(count(&frozen).await.letters, 0);
    world.assert_right().await;
}
