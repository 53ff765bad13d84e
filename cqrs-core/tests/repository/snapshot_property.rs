//! Whatever the policy, whatever is pruned, rebuilt or lost: what is loaded is what the events say.

use std::time::Duration;

use cqrs_core::{AsOf, Context, Repository, SnapshotPolicy, SnapshotStore, Timestamp};
use proptest::prelude::*;

use super::counter::{Add, AddOnes, Counter, id};
use super::snapshots::stream;
use super::watched_snapshots::{WatchedSnapshots, settled};
use super::watched_store::WatchedStore;

#[derive(Debug, Clone)]
enum Step {
    Add {
        amount: i64,
        occurred: Option<i64>,
    },
    AddOnes(usize),
    /// By a process that knows nothing of the snapshots here.
    AddElsewhere(i64),
    Load,
    Snapshot,
    Prune,
    Rebuild,
    Clear,
    Down,
    Repair,
    Close,
    Open,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (-9..9_i64, proptest::option::of(0..20_i64)).prop_map(|(amount, occurred)| Step::Add { amount, occurred }),
        2 => (1..9_usize).prop_map(Step::AddOnes),
        2 => (1..9_i64).prop_map(Step::AddElsewhere),
        2 => Just(Step::Load),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Prune),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Clear),
        1 => Just(Step::Down),
        2 => Just(Step::Repair),
        1 => Just(Step::Close),
        2 => Just(Step::Open),
    ]
}

fn policy() -> impl Strategy<Value = SnapshotPolicy> {
    prop_oneof![
        (1..6_u32).prop_map(SnapshotPolicy::every),
        // Two events are a microsecond apart at least.
        (0..50_u64).prop_map(|micros| SnapshotPolicy::older_than(Duration::from_micros(micros))),
        (1..6_u32, 0..50_u64)
            .prop_map(|(every, micros)| SnapshotPolicy::every(every).or_older_than(Duration::from_micros(micros))),
        Just(SnapshotPolicy::ON_DEMAND),
        Just(SnapshotPolicy::NEVER),
    ]
}

async fn take(step: Step, counters: &Repository<Counter>, plain: &Repository<Counter>, snapshots: &WatchedSnapshots) {
    match step {
        Step::Add { amount, occurred } => {
            let context =
                occurred.map(Timestamp::from_micros).map_or_else(Context::new, |at| Context::new().occurred_at(at));
            counters.execute_with(&id(), Add(amount), context).await.unwrap();
        }
        Step::AddOnes(count) => drop(counters.execute(&id(), AddOnes(count)).await.unwrap()),
        Step::AddElsewhere(amount) => drop(plain.execute(&id(), Add(amount)).await.unwrap()),
        Step::Load => drop(counters.load(&id()).await.unwrap()),
        // These may fail when the snapshot store is down, and would wait while it is closed.
        Step::Snapshot => {
            snapshots.open();
            let _ = counters.snapshot(&id()).await;
        }
        Step::Prune => drop(counters.prune_snapshots().next().await.map(drop)),
        Step::Rebuild => {
            snapshots.open();
            drop(counters.rebuild_snapshots().next().await.map(drop));
        }
        Step::Clear => snapshots.inner.clear(&stream()).await.unwrap(),
        Step::Down => snapshots.be_down(),
        Step::Repair => snapshots.repair(),
        Step::Close => snapshots.close(),
        Step::Open => snapshots.open(),
    }
    settled().await;
}

async fn agrees_with_the_fold(counters: &Repository<Counter>, plain: &Repository<Counter>) {
    assert_eq!(counters.load(&id()).await.unwrap(), plain.load(&id()).await.unwrap());
    let history = plain.history(&id()).await.unwrap();
    let moments = history
        .iter()
        .flat_map(|event| {
            let before = AsOf::Recorded(event.recorded_at.plus_micros(-1));
            [AsOf::Version(event.version), AsOf::Position(event.position), AsOf::Recorded(event.recorded_at), before]
        })
        .chain((-1..21).map(|micros| AsOf::Occurred(Timestamp::from_micros(micros))))
        .chain([AsOf::Occurred(Timestamp::MAX)])
        .chain(history.iter().flat_map(|event| {
            let recorded = event.recorded_at;
            [3, 12].map(|micros| AsOf::Bitemporal { occurred: Timestamp::from_micros(micros), recorded })
        }));
    for moment in moments {
        let expected = plain.load_as_of(&id(), moment).await.unwrap();
        assert_eq!(counters.load_as_of(&id(), moment).await.unwrap(), expected, "{moment:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loads_equal_the_fold_without_snapshots(
        policy in policy(), keep in 0..4_u32, steps in proptest::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (store, snapshots) = (WatchedStore::default(), WatchedSnapshots::default());
            let counters = crate::repository::<Counter>(store.clone())
                .snapshots(snapshots.clone())
                .snapshot_policy(policy)
                .keep_snapshots(keep);
            let plain = Repository::<Counter>::new(store.clone());
            for step in steps {
                take(step, &counters, &plain, &snapshots).await;
            }
            agrees_with_the_fold(&counters, &plain).await;
            // As after a restart: nothing is cached.
            let restarted = Repository::<Counter>::new(store).snapshots(snapshots.inner.clone());
            agrees_with_the_fold(&restarted, &plain).await;
        });
    }
}
