//! Whatever is refused, fails, dies, is replayed and mended, in whatever order: the documents are those of the oracle in the end.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use cqrs_core::DeadLetterCount;
use cqrs_projections::{Replay, Running};

use super::{TOGGLES, World, count, of};
use crate::faulty::Fault;
use crate::ledger::{LONG, append, append_some, paid, until};

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Refused { account: usize, toggles: bool },
    Fault { operation: usize, after: bool },
    Replay(usize),
    Mend(bool),
    Kill,
    Rebuild,
    Wait,
}

const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
const OPERATIONS: [&str; 8] =
    ["apply", "load", "keep", "settle", "note_removal", "waiting", "take_over", "failed_again"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..1_000_u64).prop_map(Step::Append),
        4 => (0..3_usize, any::<bool>()).prop_map(|(account, toggles)| Step::Refused { account, toggles }),
        4 => (0..OPERATIONS.len(), any::<bool>()).prop_map(|(operation, after)| Step::Fault { operation, after }),
        3 => (0..4_usize).prop_map(Step::Replay),
        1 => any::<bool>().prop_map(Step::Mend),
        1 => Just(Step::Kill),
        1 => Just(Step::Rebuild),
        2 => Just(Step::Wait),
    ]
}

async fn run(partitions: u16, events: usize, age: Duration, steps: Vec<Step>) {
    let mut world = World::of(partitions, [13, TOGGLES]);
    world.store = world.store.page(4);
    world.batches = world.batches.events(events).age(age);
    let mut running = world.start().await;
    let mut last = append(&world.store, vec![paid("a", 1)]).await;
    for step in steps {
        match step {
            Step::Append(seed) => last = append_some(&world.store, seed..seed + 1).await,
            Step::Refused { account, toggles } => {
                let amount = if toggles { TOGGLES } else { 13 };
                last = append(&world.store, vec![paid(ACCOUNTS[account], amount)]).await;
            }
            Step::Fault { operation, after } => {
                let (operation, fault) = (OPERATIONS[operation], if after { Fault::After } else { Fault::Before });
                let of_sink = ["apply", "load"].contains(&operation);
                let faults = if of_sink { &world.sink.faults } else { &world.letters.faults };
                faults.next(operation, [fault]);
            }
            Step::Replay(account) => {
                let document = ACCOUNTS.get(account).map(|key| Replay::Document((*key).to_owned()));
                // Nothing may be parked.
                let _ = of(&running).replay(document.unwrap_or(Replay::All)).await;
            }
            Step::Mend(toggles) => world.projector.flaws.mend(if toggles { TOGGLES } else { 13 }),
            Step::Kill => {
                drop(running);
                running = world.start().await;
            }
            Step::Rebuild => drop(running.rebuild(super::NAME).batch(3).await),
            Step::Wait => drop(running.wait_for(last, LONG).await.unwrap()),
        }
        tokio::task::yield_now().await;
    }
    world.projector.flaws.mend(13);
    world.projector.flaws.mend(TOGGLES);
    finish(&world, &running).await;
}

async fn finish(world: &World, running: &Running) {
    let last = append_some(&world.store, 7..8).await;
    running.wait_for(last, LONG).await.unwrap();
    until("all is replayed", || async {
        of(running).replay(Replay::All).await.unwrap();
        count(running).await == DeadLetterCount::default()
    })
    .await;
    world.assert_right().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_the_documents_are_those_of_the_oracle(
        partitions in 1..3_u16, events in 1..9_usize, waits in any::<bool>(), steps in vec(step(), 1..40),
    ) {
        let age = if waits { 60 * LONG } else { Duration::ZERO };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(partitions, events, age, steps));
    }
}
