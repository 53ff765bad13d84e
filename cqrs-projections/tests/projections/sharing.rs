//! Several processes that share the partitions of a projection. Time is virtual: it passes when nothing else happens.

use std::time::Duration;

use cqrs_core::in_memory::InMemoryLeaseStore;
use cqrs_core::{FencingToken, Generation, GlobalPosition, Lease, LeaseStore, Leases, Partitions, ReadModel, Target};
use cqrs_projections::{
    Batches, PartitionOwner, ProjectionError, ProjectionState, ProjectionStatus, Projections, RebuildError, Running,
    StopReason, WaitError,
};
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::faulty::{Fault, FaultySink, FaultyStore, Gate};
use crate::ledger::{LONG, append, append_some, documents, generations, noise, oracle, paid, quick};
use crate::subject::{Clubs, Ledger, NAME, Subject};

mod faulty_leases;

use faulty_leases::FaultyLeases;

const LEASE: Duration = Duration::from_secs(10);

/// What the processes have in common.
struct Cluster {
    store: FaultyStore,
    sink: FaultySink,
    leases: InMemoryLeaseStore,
    partitions: u16,
    batches: Batches,
    add: fn(Projections, u16, FaultySink) -> Projections,
}

impl Cluster {
    fn of(partitions: u16) -> Self {
        Self::that_projects::<Ledger>(partitions)
    }

    fn that_projects<S: Subject>(partitions: u16) -> Self {
        let (store, sink) = (FaultyStore::default().page(20), FaultySink::default());
        Self { store, sink, leases: InMemoryLeaseStore::new(), partitions, batches: Batches::default(), add: S::add }
    }

    async fn process(&self) -> Running {
        self.process_with(self.partitions, self.sink.elsewhere(), self.leases.clone()).await
    }

    async fn process_with(&self, partitions: u16, sink: FaultySink, leases: impl LeaseStore) -> Running {
        let projections = (self.add)(Projections::new(self.store.clone()), partitions, sink);
        let projections = projections.batches(self.batches).error_policy(quick());
        projections.leases(leases).lease_time(LEASE).start().await.unwrap()
    }

    async fn append(&self, seeds: std::ops::Range<u64>) -> GlobalPosition {
        append_some(&self.store, seeds).await
    }

    async fn assert_right(&self) {
        assert_eq!(documents(&self.sink.inner(), NAME).await, oracle(&self.store.inner).await);
    }

    /// Waits until these processes share fairly, and gives how much each writes.
    async fn shared<const N: usize>(&self, processes: [&Running; N]) -> [usize; N] {
        let all = usize::from(self.partitions);
        until("the partitions are shared", async || {
            let mut shares = Vec::new();
            for process in processes {
                shares.push(owned(process).await);
            }
            let fair = |share: &Vec<u16>| (all / N..=all.div_ceil(N)).contains(&share.len());
            (shares.iter().all(fair) && shares.iter().flatten().count() == all).then_some(())
        })
        .await;
        let mut shares = [0; N];
        for (share, process) in shares.iter_mut().zip(processes) {
            *share = owned(process).await.len();
        }
        shares
    }

    fn target(&self, generation: Generation, partition: u16) -> Target {
        Target { projection: NAME.parse().unwrap(), generation, partition }
    }

    async fn seen(&self) -> Leases {
        self.leases.leases(&NAME.parse().unwrap()).await.unwrap()
    }
}

async fn status(process: &Running) -> ProjectionStatus {
    process.status().await.swap_remove(0)
}

/// The partitions that a process writes.
async fn owned(process: &Running) -> Vec<u16> {
    let mine = |owner: &PartitionOwner| *owner == PartitionOwner::ThisProcess;
    let partitions = status(process).await.partitions.into_iter();
    partitions.filter(|partition| mine(&partition.owner)).map(|partition| partition.partition).collect()
}

/// Waits until there is a value.
async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let Ok(value) = tokio::time::timeout(20 * LEASE, found).await else { panic!("in vain: {what}") };
    value
}

#[tokio::test(start_paused = true)]
async fn six_over_two_are_three_and_three_and_three_over_two_are_two_and_one() {
    for (partitions, expected) in [(6, [3, 3]), (3, [1, 2])] {
        let cluster = Cluster::of(partitions);
        let (one, two) = (cluster.process().await, cluster.process().await);
        let mut shares = cluster.shared([&one, &two]).await;
        shares.sort_unstable();
        assert_eq!(shares, expected);
        let position = cluster.append(0..40).await;
        for process in [&one, &two] {
            process.wait_for(position, LONG).await.unwrap();
            cluster.assert_right().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_alone_writes_everything() {
    let cluster = Cluster::of(5);
    let process = cluster.process().await;
    assert_eq!(owned(&process).await, [0, 1, 2, 3, 4], "when it has started");
    let position = cluster.append(0..40).await;
    process.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;
    assert_eq!(status(&process).await.state, ProjectionState::Live);
}

#[tokio::test(start_paused = true)]
async fn status_tells_who_writes_what_and_how_far_it_is() {
    let cluster = Cluster::of(4);
    let (one, two) = (cluster.process().await, cluster.process().await);
    cluster.shared([&one, &two]).await;
    let position = cluster.append(0..40).await;
    one.wait_for(position, LONG).await.unwrap();
    two.wait_for(position, LONG).await.unwrap();
    // Each has looked again since the partitions changed hands.
    tokio::time::sleep(LEASE).await;
    let (of_one, of_two) = (status(&one).await, status(&two).await);
    let members = cluster.seen().await;
    for (first, second) in of_one.partitions.iter().zip(&of_two.partitions) {
        let holder = &members.held[&Lease::Partition(first.partition)];
        let (mine, others) = match first.owner {
            PartitionOwner::ThisProcess => (first, second),
            _ => (second, first),
        };
        assert_eq!(mine.owner, PartitionOwner::ThisProcess);
        assert_eq!(others.owner, PartitionOwner::Other(holder.clone()));
        assert_eq!((mine.state, others.state), (ProjectionState::Live, ProjectionState::Waiting));
        assert_eq!((mine.lag, mine.behind), (Some(0), Some(Duration::ZERO)));
        assert_eq!((others.position, others.generation), (position, Some(Generation::FIRST)));
        assert!(mine.rate > 0.0 && others.rate <= mine.rate);
    }
    assert_eq!((of_one.state, of_one.position, of_one.lag), (ProjectionState::Live, position, Some(0)));

    one.stop().await;
    two.stop().await;
    assert_eq!(cluster.seen().await, Leases::default(), "everything was given back");
}

#[tokio::test(start_paused = true)]
async fn waiting_reaches_partitions_of_others_that_have_nothing_to_write() {
    let cluster = Cluster::of(4);
    let (one, two) = (cluster.process().await, cluster.process().await);
    cluster.shared([&one, &two]).await;
    // One partition changes, or none.
    for events in [vec![paid("a", 1)], vec![paid("a", 2), noise()], vec![noise()]] {
        let position = append(&cluster.store, events).await;
        for process in [&one, &two] {
            process.wait_for(position, Duration::from_secs(1)).await.unwrap();
        }
    }
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_what_another_process_does_not_reach_ends_in_time() {
    let cluster = Cluster::of(2);
    let sink = cluster.sink.elsewhere();
    let one = cluster.process_with(2, sink.clone(), cluster.leases.clone()).await;
    let two = cluster.process().await;
    cluster.shared([&one, &two]).await;
    sink.faults.always("apply", Fault::Before);
    let reached = GlobalPosition::START;
    let position = cluster.append(0..20).await;
    match two.wait_for(position, Duration::from_secs(1)).await {
        Err(WaitError::Timeout { lagging, .. }) => assert_eq!(lagging[0].at, reached),
        waited => panic!("{waited:?}"),
    }
    sink.faults.heal();
    two.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_joins_is_given_its_share_and_one_that_stops_gives_it_back() {
    let cluster = Cluster::of(6);
    let first = cluster.process().await;
    cluster.append(0..10).await;
    let second = cluster.process().await;
    assert_eq!(cluster.shared([&first, &second]).await, [3, 3]);
    cluster.append(10..20).await;
    let third = cluster.process().await;
    assert_eq!(cluster.shared([&first, &second, &third]).await, [2, 2, 2]);
    let position = cluster.append(20..30).await;
    third.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;

    let start = Instant::now();
    first.stop().await;
    second.stop().await;
    assert_eq!(cluster.shared([&third]).await, [6]);
    assert!(start.elapsed() < LEASE / 4, "at once: {:?}", start.elapsed());
    let position = cluster.append(30..40).await;
    third.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_finished_before_its_partition_is_handed_over() {
    let cluster = Cluster::of(2);
    let sink = cluster.sink.elsewhere();
    let first = cluster.process_with(2, sink.clone(), cluster.leases.clone()).await;
    let gate = sink.faults.gate("apply");
    let position = cluster.append(0..20).await;
    gate.reached().await;
    let second = cluster.process().await;
    // Long enough for everything but the batches.
    tokio::time::sleep(2 * LEASE).await;
    assert_eq!(cluster.seen().await.held.len(), 2, "kept, and renewed");
    assert_eq!(owned(&second).await, [0; 0]);
    drop(gate);
    assert_eq!(cluster.shared([&first, &second]).await, [1, 1]);
    second.wait_for(position, LONG).await.unwrap();
    assert_eq!(status(&first).await.retries + status(&second).await.retries, 0, "nobody was fenced");
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_wrote_others_write_before_the_lease_time_is_over() {
    for moment in 0..8 {
        let cluster = Cluster::of(4);
        let (dies, lives) = (cluster.process().await, cluster.process().await);
        cluster.shared([&dies, &lives]).await;
        tokio::time::sleep(LEASE * moment / 24).await;
        let start = Instant::now();
        drop(dies);
        let position = cluster.append(0..20).await;
        lives.wait_for(position, LONG).await.unwrap();
        assert!(start.elapsed() <= LEASE, "{:?}", start.elapsed());
        assert_eq!(owned(&lives).await.len(), 4);
        cluster.assert_right().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_cannot_renew_its_leases_stops_before_others_begin() {
    let cluster = Cluster::of(4);
    let cut_off = FaultyLeases::new(cluster.leases.clone());
    let one = cluster.process_with(4, cluster.sink.elsewhere(), cut_off.clone()).await;
    let two = cluster.process().await;
    cluster.shared([&one, &two]).await;
    let start = Instant::now();
    cut_off.cut();
    until("it has stopped", async || owned(&one).await.is_empty().then_some(())).await;
    let held = cluster.seen().await.held;
    assert!(start.elapsed() < LEASE && owned(&two).await.len() == 2, "before others have its partitions: {held:?}");
    let position = cluster.append(0..20).await;
    two.wait_for(position, LONG).await.unwrap();
    assert!(start.elapsed() <= LEASE + Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(status(&one).await.partitions.iter().all(|partition| partition.state == ProjectionState::Waiting));

    cut_off.heal();
    assert_eq!(cluster.shared([&one, &two]).await, [2, 2], "it comes again");
    let position = cluster.append(20..40).await;
    one.wait_for(position, LONG).await.unwrap();
    assert_eq!(status(&one).await.retries + status(&two).await.retries, 0, "nobody was fenced");
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_model_that_does_not_answer_does_not_cost_the_leases() {
    let cluster = Cluster::of(4);
    let sink = cluster.sink.elsewhere();
    let one = cluster.process_with(4, sink.clone(), cluster.leases.clone()).await;
    let two = cluster.process().await;
    cluster.shared([&one, &two]).await;
    let before = cluster.seen().await;
    let gates = ["live", "open", "apply", "load"].map(|operation| sink.faults.gate(operation));
    let position = cluster.append(0..20).await;
    for _ in 0..30 {
        tokio::time::sleep(LEASE / 10).await;
        assert_eq!(cluster.seen().await, before);
    }
    drop(gates);
    two.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn many_partitions_are_taken_though_the_lease_store_is_slow() {
    let cluster = Cluster::of(100);
    let leases = FaultyLeases::new(cluster.leases.clone());
    leases.delay(Duration::from_millis(400));
    let start = Instant::now();
    let process = cluster.process_with(100, cluster.sink.elsewhere(), leases).await;
    let mut most = 0;
    until("all are taken", async || {
        let held = cluster.seen().await.held.len();
        assert!(held >= most, "{held} of {most} are left");
        most = held;
        (held == 100).then_some(())
    })
    .await;
    assert!(start.elapsed() > 3 * LEASE, "it takes far longer than a lease lasts");
    let position = cluster.append(0..40).await;
    process.wait_for(position, LONG).await.unwrap();
    assert_eq!(owned(&process).await.len(), 100);
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_lease_store_is_away_documents_stand_still_and_go_on_when_it_returns() {
    let cluster = Cluster::of(3);
    let leases = FaultyLeases::new(cluster.leases.clone());
    let process = cluster.process_with(3, cluster.sink.elsewhere(), leases.clone()).await;
    leases.cut();
    tokio::time::sleep(2 * LEASE).await;
    let position = cluster.append(0..20).await;
    let waited = process.wait_for(position, LEASE).await;
    assert!(matches!(waited, Err(WaitError::Timeout { .. })), "{waited:?}");
    leases.heal();
    process.wait_for(position, LEASE).await.unwrap();
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn the_holder_of_the_lease_takes_its_partition_back_from_a_former_owner() {
    let cluster = Cluster::of(2);
    let process = cluster.process().await;
    for token in [50, 60, 70] {
        let target = cluster.target(Generation::FIRST, 1);
        cluster.sink.inner().fence(&target, FencingToken::new(token)).await.unwrap();
        let position = cluster.append(token..token + 5).await;
        process.wait_for(position, LONG).await.unwrap();
        let (newest, _) = cluster.sink.inner().checkpoint(&target).await.unwrap();
        assert_eq!(newest, Some(FencingToken::new(token + 1)));
        cluster.assert_right().await;
    }
    assert_eq!(status(&process).await.state, ProjectionState::Live);
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_in_one_process_is_followed_by_all() {
    let cluster = Cluster::of(6);
    let (one, two) = (cluster.process().await, cluster.process().await);
    cluster.shared([&one, &two]).await;
    cluster.append(0..40).await;
    for (round, process) in [(2, &one), (3, &two), (4, &one)] {
        let rebuilt = process.rebuild(NAME).batch(30).await.unwrap();
        assert_eq!(rebuilt.generation, Generation::new(round));
        // Nothing is appended: they notice all the same.
        until("all follow", async || {
            let followed = async |process| status(process).await.generation == Some(rebuilt.generation);
            (followed(&one).await && followed(&two).await).then_some(())
        })
        .await;
        let position = cluster.append(u64::from(round) * 10..u64::from(round) * 10 + 7).await;
        for process in [&one, &two] {
            process.wait_for(position, LONG).await.unwrap();
        }
        cluster.assert_right().await;
        assert_eq!(generations(&cluster.sink.inner(), NAME).await, [round]);
        assert_eq!(cluster.shared([&one, &two]).await, [3, 3]);
        assert_eq!(cluster.seen().await.held.len(), 6, "its own leases were given back");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_writes_the_live_generation_while_another_one_is_made_live() {
    let cluster = Cluster::of(2);
    let sink = cluster.sink.elsewhere();
    let (one, two) = (cluster.process_with(2, sink.clone(), cluster.leases.clone()).await, cluster.process().await);
    cluster.shared([&one, &two]).await;
    let position = cluster.append(0..20).await;
    two.wait_for(position, LONG).await.unwrap();
    let gate = sink.faults.gate("swap");
    let rebuild = tokio::spawn(one.rebuild(NAME).into_future());
    gate.reached().await;
    let position = cluster.append(20..40).await;
    tokio::time::sleep(3 * LEASE).await;
    let stands = |partition| {
        let target = cluster.target(Generation::FIRST, partition);
        let sink = cluster.sink.inner();
        async move { sink.checkpoint(&target).await.unwrap().1.unwrap().position }
    };
    assert!(stands(0).await < position && stands(1).await < position, "it waits for the swap");
    let swapping = status(&two).await.partitions;
    assert!(swapping.iter().any(|partition| partition.state == ProjectionState::Swapping), "{swapping:?}");
    drop(gate);
    rebuild.await.unwrap().unwrap();
    for process in [&one, &two] {
        process.wait_for(position, LONG).await.unwrap();
    }
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn one_process_at_a_time_rebuilds() {
    let cluster = Cluster::of(2);
    let sink = cluster.sink.elsewhere();
    let (one, two) = (cluster.process_with(2, sink.clone(), cluster.leases.clone()).await, cluster.process().await);
    cluster.append(0..20).await;
    let gate = sink.faults.gate("fill");
    let rebuild = tokio::spawn(one.rebuild(NAME).into_future());
    gate.reached().await;
    let second = two.rebuild(NAME).await;
    assert!(matches!(second, Err(RebuildError::AlreadyRunning { .. })), "{second:?}");
    // However long it takes.
    tokio::time::sleep(3 * LEASE).await;
    drop(gate);
    rebuild.await.unwrap().unwrap();
    two.rebuild(NAME).await.unwrap();
    let position = cluster.append(20..40).await;
    one.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_loses_its_lease_before_the_swap_leaves_the_live_generation_as_it_is() {
    let cluster = Cluster::of(1);
    let (sink, leases) = (cluster.sink.elsewhere(), FaultyLeases::new(cluster.leases.clone()));
    let one = cluster.process_with(1, sink.clone(), leases.clone()).await;
    cluster.append(0..20).await;
    // The swap waits for the batch that is being written.
    let gate = sink.faults.gate("apply");
    gate.reached().await;
    let rebuild = tokio::spawn(one.rebuild(NAME).into_future());
    until("the swap begins", async || cluster.seen().await.held.contains_key(&Lease::Swap).then_some(())).await;
    leases.cut();
    tokio::time::sleep(2 * LEASE).await;
    drop(gate);
    let failed = rebuild.await.unwrap();
    let lost = |lease| matches!(lease, Lease::Rebuild | Lease::Swap);
    assert!(
        matches!(failed, Err(RebuildError::Failed { source: ProjectionError::LeaseLost { lease }, .. }) if lost(lease)),
        "{failed:?}"
    );
    assert_eq!(generations(&cluster.sink.inner(), NAME).await, [1]);
    leases.heal();
    let position = cluster.append(20..40).await;
    one.wait_for(position, LONG).await.unwrap();
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_that_dies_in_the_swap_holds_nobody_up_for_longer_than_the_lease_time() {
    let cluster = Cluster::of(2);
    let sink = cluster.sink.elsewhere();
    let (dies, lives) = (cluster.process_with(2, sink.clone(), cluster.leases.clone()).await, cluster.process().await);
    cluster.shared([&dies, &lives]).await;
    cluster.append(0..20).await;
    let gate = sink.faults.gate("swap");
    let rebuild = tokio::spawn(dies.rebuild(NAME).into_future());
    gate.reached().await;
    let start = Instant::now();
    drop(dies);
    assert!(matches!(rebuild.await.unwrap(), Err(RebuildError::Cancelled { .. })));
    drop(gate);
    let position = cluster.append(20..40).await;
    lives.wait_for(position, LONG).await.unwrap();
    assert!(start.elapsed() <= LEASE, "{:?}", start.elapsed());
    cluster.assert_right().await;
    lives.rebuild(NAME).await.unwrap();
    assert_eq!(generations(&cluster.sink.inner(), NAME).await, [3], "what it left behind is dropped");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_expects_another_number_of_partitions_takes_no_part_until_a_rebuild() {
    let cluster = Cluster::of(2);
    let old = cluster.process().await;
    let new = cluster.process_with(3, cluster.sink.elsewhere(), cluster.leases.clone()).await;
    let position = cluster.append(0..20).await;
    old.wait_for(position, LONG).await.unwrap();
    assert_eq!(status(&new).await.state, ProjectionState::Stopped(StopReason::Failed));
    assert_eq!((owned(&old).await.len(), owned(&new).await.len()), (2, 0));

    new.rebuild(NAME).await.unwrap();
    let start = Instant::now();
    until("the new one has all", async || (owned(&new).await.len() == 3).then_some(())).await;
    assert!(start.elapsed() < LEASE / 2, "the old one gives its leases back: {:?}", start.elapsed());
    let position = cluster.append(20..40).await;
    new.wait_for(position, LONG).await.unwrap();
    until("the old one leaves", async || {
        (status(&old).await.state == ProjectionState::Stopped(StopReason::Failed)).then_some(())
    })
    .await;
    assert_eq!((owned(&old).await.len(), owned(&new).await.len()), (0, 3));
    assert_eq!(cluster.seen().await.members.len(), 1);
    cluster.assert_right().await;
    // Back again, as when a deployment is undone.
    old.rebuild(NAME).await.unwrap();
    let position = cluster.append(40..60).await;
    old.wait_for(position, LONG).await.unwrap();
    let live = cluster.sink.inner().live(&NAME.parse().unwrap()).await.unwrap();
    assert_eq!(live.map(|live| live.partitions), Some(Partitions::new(2).unwrap()));
    cluster.assert_right().await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_an_error_has_stopped_stays_with_its_process_until_that_ends() {
    let cluster = Cluster::of(2);
    let one = cluster.process().await;
    let position = append(&cluster.store, vec![paid("a", 13), paid("b", 1), paid("c", 1)]).await;
    assert!(matches!(one.wait_for(position, LONG).await, Err(WaitError::Stopped { .. })));
    let two = cluster.process().await;
    cluster.shared([&one, &two]).await;
    tokio::time::sleep(3 * LEASE).await;
    assert_eq!(cluster.shared([&one, &two]).await, [1, 1]);
    one.stop().await;
    // It meets the same error.
    until("the other one takes it", async || {
        (status(&two).await.state == ProjectionState::Stopped(StopReason::Failed)).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_lost_everything_is_filled_again_by_all() {
    let cluster = Cluster::of(4);
    let (one, two) = (cluster.process().await, cluster.process().await);
    cluster.shared([&one, &two]).await;
    let position = cluster.append(0..20).await;
    one.wait_for(position, LONG).await.unwrap();
    cluster.sink.lose_all();
    let position = cluster.append(20..40).await;
    until("both have written again", async || {
        let right = documents(&cluster.sink.inner(), NAME).await == oracle(&cluster.store.inner).await;
        right.then_some(())
    })
    .await;
    one.wait_for(position, LONG).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_live_generation_that_was_deleted_is_filled_again_by_all() {
    let cluster = Cluster::of(4);
    let (one, two) = (cluster.process().await, cluster.process().await);
    cluster.shared([&one, &two]).await;
    let position = cluster.append(0..20).await;
    one.wait_for(position, LONG).await.unwrap();
    let (model, name) = (cluster.sink.inner(), NAME.parse().unwrap());
    let live = model.live(&name).await.unwrap().unwrap();
    let next = model.begin(&name, live.partitions).await.unwrap();
    model.swap(&name, next).await.unwrap();
    model.drop_generation(&name, live.generation).await.unwrap();
    let position = cluster.append(20..40).await;
    for process in [&one, &two] {
        until("it is filled", async || (status(process).await.generation == Some(next)).then_some(())).await;
        process.wait_for(position, LONG).await.unwrap();
    }
    cluster.assert_right().await;
}

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Pass(u16),
    /// Pages hold so many events from now on: what is read again is cut otherwise.
    Page(usize),
    Start,
    Stop(usize),
    Kill(usize),
    /// What a process writes arrives when it is healed.
    Hold(usize),
    SinkFaults(usize, Vec<Fault>),
    StoreFaults(Vec<Fault>),
    Cut(usize),
    Heal(usize),
    Rebuild(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let faults = || {
        let fault = prop_oneof![
            3 => Just(Fault::None),
            1 => Just(Fault::Before),
            1 => Just(Fault::After),
            1 => Just(Fault::Torn)
        ];
        vec(fault, 1..6)
    };
    let step = prop_oneof![
        5 => (0..1_000_u64).prop_map(Step::Append),
        5 => (1..4_000_u16).prop_map(Step::Pass),
        1 => (1..7_usize).prop_map(Step::Page),
        2 => Just(Step::Start),
        1 => (0..4_usize).prop_map(Step::Stop),
        1 => (0..4_usize).prop_map(Step::Kill),
        1 => (0..4_usize).prop_map(Step::Hold),
        2 => (0..4_usize, faults()).prop_map(|(who, faults)| Step::SinkFaults(who, faults)),
        1 => faults().prop_map(Step::StoreFaults),
        1 => (0..4_usize).prop_map(Step::Cut),
        2 => (0..4_usize).prop_map(Step::Heal),
        1 => (0..4_usize).prop_map(Step::Rebuild),
    ];
    vec(step, 1..40)
}

struct Process {
    running: Running,
    sink: FaultySink,
    leases: FaultyLeases,
    held: Vec<Gate>,
}

impl Process {
    async fn start(cluster: &Cluster) -> Self {
        let (sink, leases) = (cluster.sink.elsewhere(), FaultyLeases::new(cluster.leases.clone()));
        let running = cluster.process_with(cluster.partitions, sink.clone(), leases.clone()).await;
        Self { running, sink, leases, held: Vec::new() }
    }

    fn hold(&mut self) {
        if self.held.is_empty() {
            self.held = ["apply", "fill"].map(|operation| self.sink.faults.gate(operation)).into();
        }
    }

    fn heal(&mut self) {
        self.leases.heal();
        self.held.clear();
    }
}

/// Batches of so many events, that may wait for more of them.
fn batches() -> impl Strategy<Value = Batches> {
    (1..30_usize, prop_oneof![Just(0), 1..500_u64])
        .prop_map(|(events, age)| Batches::default().events(events).age(Duration::from_millis(age)))
}

async fn live_through<S: Subject>(steps: Vec<Step>, partitions: u16, batches: Batches) {
    let cluster = Cluster { batches, ..Cluster::that_projects::<S>(partitions) };
    // The leases of the dead run out by themselves, and so does what a rebuild cannot give back because it is cut off.
    let (mut processes, mut unreturned) = (vec![Process::start(&cluster).await], false);
    for step in steps {
        let running = processes.len();
        let who = |number: usize| number % running;
        match step {
            Step::Append(seed) => drop(append(&cluster.store, S::events(seed..seed + 1 + seed % 4)).await),
            Step::Pass(millis) => tokio::time::sleep(Duration::from_millis(u64::from(millis))).await,
            Step::Page(events) => cluster.store.set_page(events),
            Step::Start if processes.len() < 4 => processes.push(Process::start(&cluster).await),
            Step::Stop(number) if processes.len() > 1 => {
                let mut process = processes.swap_remove(who(number));
                process.heal();
                process.running.stop().await;
            }
            Step::Kill(number) if processes.len() > 1 => {
                drop(processes.swap_remove(who(number)));
                unreturned = true;
            }
            Step::Hold(number) => processes[who(number)].hold(),
            Step::SinkFaults(number, faults) => processes[who(number)].sink.faults.any(FaultySink::CALLS, faults),
            Step::StoreFaults(faults) => cluster.store.faults.any(FaultyStore::READS, faults),
            Step::Cut(number) => {
                processes[who(number)].leases.cut();
                unreturned = true;
            }
            Step::Heal(number) => processes[who(number)].heal(),
            Step::Rebuild(number) => {
                drop(tokio::spawn(processes[who(number)].running.rebuild(NAME).batch(7).into_future()));
            }
            _ => {}
        }
    }
    cluster.store.faults.heal();
    for process in &mut processes {
        process.sink.faults.heal();
        process.heal();
    }
    let head = append(&cluster.store, S::events(0..3)).await;
    for process in &processes {
        process.running.wait_for(head, 20 * LEASE).await.unwrap();
    }
    S::assert_right(&cluster.store, &cluster.sink).await;
    for process in processes {
        process.running.stop().await;
    }
    if unreturned {
        tokio::time::sleep(LEASE).await;
    }
    assert_eq!(cluster.seen().await, Leases::default(), "those who stopped have left");
}

fn live_through_in_virtual_time<S: Subject>(steps: Vec<Step>, partitions: u16, batches: Batches) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(live_through::<S>(steps, partitions, batches));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_to_the_processes_the_documents_are_those_of_the_log(
        steps in steps(), partitions in 1..6_u16, batches in batches(),
    ) {
        live_through_in_virtual_time::<Ledger>(steps, partitions, batches);
    }

    #[test]
    fn whatever_happens_to_the_processes_joined_documents_are_those_of_the_log(
        steps in steps(), partitions in 1..6_u16, batches in batches(),
    ) {
        live_through_in_virtual_time::<Clubs>(steps, partitions, batches);
    }
}
