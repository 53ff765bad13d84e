//! A sink that is down is probed, not hammered. Time is virtual: it passes when nothing else happens.

use std::time::Duration;

use cqrs_core::GlobalPosition;
use cqrs_projections::{Backoff, CircuitBreaker, CircuitState, ProjectionState, Projections, RetryTransient, Running};
use tokio::time::Instant;

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, Sheets, Spread, append_some, documents, oracle};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const OPERATIONS: [&str; 5] = ["open", "checkpoint", "fence", "load", "apply"];

/// Impatient runners: whatever keeps them from hammering is the breaker.
async fn start(store: &FaultyStore, sink: &FaultySink, partitions: u16, sibling: &FaultySink) -> Running {
    Projections::new(store.clone())
        .add("shaky", Spread(partitions), sink.clone())
        .add("sibling", Sheets, sibling.clone())
        .error_policy(RetryTransient::new(Backoff::new(Duration::from_millis(1), Duration::from_millis(2))))
        .circuit_breaker(CircuitBreaker::new(5, Backoff::new(SECOND, 10 * SECOND)))
        .start()
        .await
        .unwrap()
}

fn calls(sink: &FaultySink) -> usize {
    OPERATIONS.into_iter().map(|operation| sink.faults.calls(operation)).sum()
}

async fn circuit(running: &Running) -> CircuitState {
    running.status().await[0].circuit
}

async fn reach(running: &Running, name: &str, position: GlobalPosition) {
    running.wait_for_one(name, position, LONG).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_is_probed_by_one_partition_at_a_time_and_catches_up_when_it_returns() {
    for partitions in [1, 8] {
        let (store, sink, sibling) = (FaultyStore::default(), FaultySink::default(), FaultySink::default());
        let running = start(&store, &sink, partitions, &sibling).await;
        let last = append_some(&store, 0..5).await;
        reach(&running, "shaky", last).await;
        assert_eq!(circuit(&running).await, CircuitState::Closed);

        OPERATIONS.into_iter().for_each(|operation| sink.faults.always(operation, Fault::Before));
        let before = calls(&sink);
        for seed in 5..50 {
            let last = append_some(&store, seed..seed + 1).await;
            reach(&running, "sibling", last).await;
        }
        tokio::time::sleep(HOUR).await;
        assert!(matches!(circuit(&running).await, CircuitState::Open { times } if times > 100));
        let probes = calls(&sink) - before;
        // At most one each five seconds, and what it takes to open.
        assert!((360..800).contains(&probes), "{probes} calls in an hour over {partitions} partitions");

        sink.faults.heal();
        let (healed, last) = (Instant::now(), append_some(&store, 50..51).await);
        reach(&running, "shaky", last).await;
        assert!(healed.elapsed() <= 11 * SECOND, "at the next probe: {:?}", healed.elapsed());
        assert_eq!(documents(&sink.inner(), "shaky").await, oracle(&store.inner).await);
        assert_eq!(documents(&sibling.inner(), "sibling").await, oracle(&store.inner).await);
        let status = running.status().await;
        assert_eq!((status[0].circuit, status[0].state), (CircuitState::Closed, ProjectionState::Live));
        assert_eq!((status[1].circuit, status[1].retries), (CircuitState::Closed, 0), "the sibling has not noticed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_can_be_read_and_not_be_written_is_not_hammered_either() {
    let (store, sink, sibling) = (FaultyStore::default(), FaultySink::default(), FaultySink::default());
    let running = start(&store, &sink, 4, &sibling).await;
    sink.faults.always("apply", Fault::Before);
    let last = append_some(&store, 0..20).await;
    tokio::time::sleep(HOUR).await;
    let writes = sink.faults.calls("apply");
    // Each probe that is answered lets those in that were waiting, once.
    assert!(writes < 5 * 800, "{writes} in an hour");
    sink.faults.heal();
    reach(&running, "shaky", last).await;
    assert_eq!(documents(&sink.inner(), "shaky").await, oracle(&store.inner).await);
}

#[tokio::test(start_paused = true)]
async fn what_runs_can_be_stopped_while_the_sink_is_down() {
    let (store, sink, sibling) = (FaultyStore::default(), FaultySink::default(), FaultySink::default());
    let running = start(&store, &sink, 2, &sibling).await;
    OPERATIONS.into_iter().for_each(|operation| sink.faults.always(operation, Fault::Before));
    append_some(&store, 0..5).await;
    tokio::time::sleep(HOUR).await;
    let stopping = Instant::now();
    running.stop().await;
    assert!(stopping.elapsed() < SECOND, "{:?}", stopping.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_from_the_beginning_is_probed_as_well() {
    let (store, sink, sibling) = (FaultyStore::default(), FaultySink::default(), FaultySink::default());
    sink.faults.always("open", Fault::Before);
    let last = append_some(&store, 0..5).await;
    let running = start(&store, &sink, 3, &sibling).await;
    reach(&running, "sibling", last).await;
    tokio::time::sleep(HOUR).await;
    let probes = sink.faults.calls("open");
    assert!((360..800).contains(&probes), "{probes} in an hour");
    sink.faults.heal();
    reach(&running, "shaky", last).await;
    assert_eq!(documents(&sink.inner(), "shaky").await, oracle(&store.inner).await);
}

#[tokio::test(start_paused = true)]
async fn a_few_failures_here_and_there_open_nothing() {
    let (store, sink, sibling) = (FaultyStore::default(), FaultySink::default(), FaultySink::default());
    let running = start(&store, &sink, 2, &sibling).await;
    for seed in 0..20 {
        sink.faults.next("apply", [Fault::Before, Fault::After]);
        let last = append_some(&store, seed..seed + 1).await;
        reach(&running, "shaky", last).await;
        assert_eq!(circuit(&running).await, CircuitState::Closed);
    }
    assert_eq!(documents(&sink.inner(), "shaky").await, oracle(&store.inner).await);
}
