use std::time::Duration;

use cqrs_core::EventStore;
use cqrs_projections::{Batches, Projections, Running};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{LONG, append, generations, quick};
use crate::subject::{Clubs, Ledger, NAME, Subject};

#[derive(Debug, Clone)]
enum Step {
    /// Events are appended.
    Append(u64),
    /// Everything goes on for so many turns of the scheduler.
    Run(u8),
    /// The next calls of the sink end so.
    SinkFaults(Vec<Fault>),
    /// The next calls of the store end so.
    StoreFaults(Vec<Fault>),
    /// Pages hold so many events from now on: what is read again is cut otherwise.
    Page(usize),
    /// The process dies, whatever it is doing, and another one is started.
    Crash,
    /// A second process is started while the first runs.
    TakeOver,
    /// The whole log is folded again, in the background; perhaps a rebuild that died is gone on with.
    Rebuild { resume: bool },
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault =
        prop_oneof![3 => Just(Fault::None), 1 => Just(Fault::Before), 1 => Just(Fault::After), 1 => Just(Fault::Torn)];
    vec(fault, 1..6)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..1_000_u64).prop_map(Step::Append),
        6 => (1..60_u8).prop_map(Step::Run),
        2 => faults().prop_map(Step::SinkFaults),
        1 => faults().prop_map(Step::StoreFaults),
        1 => (1..7_usize).prop_map(Step::Page),
        2 => Just(Step::Crash),
        1 => Just(Step::TakeOver),
        2 => any::<bool>().prop_map(|resume| Step::Rebuild { resume }),
    ];
    vec(step, 1..40)
}

async fn turns(count: u8) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Batches of so many events, written at once, or not before they are full or waited for.
fn batches() -> impl Strategy<Value = Batches> {
    let age = prop_oneof![2 => Just(Duration::ZERO), 1 => Just(Duration::from_secs(3_600))];
    (1..9_usize, age).prop_map(|(events, age)| Batches::default().events(events).age(age))
}

async fn start<S: Subject>(store: &FaultyStore, sink: &FaultySink, partitions: u16, batches: Batches) -> Running {
    let projections = S::add(Projections::new(store.clone()), partitions, sink.clone());
    projections.batches(batches).error_policy(quick()).start().await.unwrap()
}

async fn live_through<S: Subject>(steps: Vec<Step>, page: usize, partitions: u16, batches: Batches) {
    let (store, sink) = (FaultyStore::default().page(page), FaultySink::default());
    let mut running = start::<S>(&store, &sink, partitions, batches).await;
    let mut former = Vec::new();
    for step in steps {
        match step {
            Step::Append(seed) => drop(append(&store, S::events(seed..seed + 1 + seed % 4)).await),
            Step::Run(count) => turns(count).await,
            Step::SinkFaults(faults) => sink.faults.any(FaultySink::CALLS, faults),
            Step::StoreFaults(faults) => store.faults.any(FaultyStore::READS, faults),
            Step::Page(events) => store.set_page(events),
            Step::Crash => {
                former.clear();
                drop(running);
                running = start::<S>(&store, &sink, partitions, batches).await;
            }
            Step::TakeOver => {
                let newer = start::<S>(&store, &sink, partitions, batches).await;
                former.push(std::mem::replace(&mut running, newer));
            }
            Step::Rebuild { resume } => {
                let rebuild = running.rebuild(NAME).batch(3 * page);
                let rebuild = if resume { rebuild.resume() } else { rebuild };
                drop(tokio::spawn(rebuild.into_future()));
            }
        }
    }
    store.faults.heal();
    sink.faults.heal();
    let head = store.head().await.unwrap().position;
    let waited = running.wait_for(head, LONG).await;
    // A rebuild that a former owner had begun may have taken the documents from the newest one.
    assert!(waited.is_ok() || !former.is_empty(), "nobody else was there: {waited:?}");
    former.clear();
    drop(running);
    turns(50).await;

    let running = start::<S>(&store, &sink, partitions, batches).await;
    running.wait_for(head, LONG).await.unwrap();
    S::assert_right(&store, &sink).await;
    running.rebuild(NAME).await.unwrap();
    S::assert_right(&store, &sink).await;
    assert_eq!(generations(&sink.inner(), NAME).await.len(), 1);
    running.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn whatever_happens_the_documents_are_those_of_the_log(
        steps in steps(), page in 1..7_usize, partitions in 1..5_u16, batches in batches(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live_through::<Ledger>(steps, page, partitions, batches));
    }

    #[test]
    fn whatever_happens_joined_documents_are_those_of_the_log(
        steps in steps(), page in 1..7_usize, partitions in 1..5_u16, batches in batches(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live_through::<Clubs>(steps, page, partitions, batches));
    }
}
