//! Folding from a restart equals folding from the start, whatever moment is asked for.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{AsOf, Context, GlobalPosition, LoadError, Recorded, Repository, Timestamp, Version};
use futures::future::join_all;
use proptest::prelude::*;

use super::truncating::{Diary, DiaryEvent, Note, SumUp, id};

/// A command, and when what it leads to happened, where that is not now.
#[derive(Debug, Clone)]
struct Step {
    sum_up: bool,
    number: u32,
    occurred: Option<i64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (prop::bool::weighted(0.3), 1..100u32, prop::option::weighted(0.8, 0..12i64))
        .prop_map(|(sum_up, number, occurred)| Step { sum_up, number, occurred });
    prop::collection::vec(step, 1..24)
}

async fn carry_out(diaries: &Repository<Diary>, step: &Step) {
    let context =
        step.occurred.map_or_else(Context::new, |micros| Context::new().occurred_at(Timestamp::from_micros(micros)));
    let done = match step.sum_up {
        true => diaries.execute_with(&id(), SumUp, context).await,
        false => diaries.execute_with(&id(), Note(step.number), context).await,
    };
    done.unwrap();
}

/// The rule, read plainly: every event up to the moment, each restart on the default state.
fn naive(history: &[Recorded<DiaryEvent>], moment: Option<AsOf>) -> (Option<(Vec<u32>, Version)>, Option<Version>) {
    let counts = |event: &&Recorded<DiaryEvent>| match moment {
        None => true,
        Some(AsOf::Version(version)) => event.version <= version,
        Some(AsOf::Position(position)) => event.position <= position,
        Some(AsOf::Recorded(time)) => event.recorded_at <= time,
        Some(AsOf::Occurred(time)) => event.happened_at() <= time,
        Some(other) => panic!("{other:?}"),
    };
    let (mut entries, mut last, mut restart) = (Vec::new(), None, None);
    for event in history.iter().filter(counts) {
        match event.event {
            DiaryEvent::Noted { number } => entries.push(number),
            DiaryEvent::SummedUp { sum } => {
                entries = vec![sum];
                restart = Some(event.version);
            }
        }
        last = Some(event.version);
    }
    (last.map(|last| (entries, last)), restart)
}

async fn check(diaries: &Repository<Diary>, history: &[Recorded<DiaryEvent>], truncated_before: Option<Version>) {
    let bounds = history.iter().flat_map(|event| {
        let (position, recorded) = (event.position, event.recorded_at);
        [
            AsOf::Version(event.version),
            AsOf::Position(position),
            AsOf::Position(position.previous()),
            AsOf::Recorded(recorded),
            AsOf::Recorded(recorded.plus_micros(-1)),
        ]
    });
    let occurred = (-1..13).map(|micros| AsOf::Occurred(Timestamp::from_micros(micros)));
    let ends = [AsOf::Occurred(Timestamp::MAX), AsOf::Recorded(Timestamp::MAX), AsOf::Position(GlobalPosition::MAX)];
    for moment in bounds.chain(occurred).chain(ends).map(Some).chain([None]) {
        let (expected, restart) = naive(history, moment);
        let loaded = match moment {
            Some(moment) => diaries.load_as_of(&id(), moment).await,
            None => diaries.load(&id()).await,
        };
        let is_known = truncated_before.is_none_or(|before| restart.is_some_and(|restart| restart >= before));
        match loaded {
            Ok(loaded) => {
                assert!(is_known, "{moment:?} cannot be known");
                assert_eq!(loaded.map(|loaded| (loaded.state.entries, loaded.version)), expected, "{moment:?}");
            }
            Err(LoadError::Truncated { before, .. }) => {
                assert!(!is_known, "{moment:?} is known: {expected:?}");
                assert_eq!(Some(before), truncated_before);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn run(steps: Vec<Step>, together: bool, cuts: [prop::sample::Index; 2]) {
    let store = InMemoryEventStore::new();
    let diaries = crate::repository::<Diary>(store.clone()).conflict_retries(1_000).snapshots(store.snapshots());
    if together {
        join_all(steps.iter().map(|step| carry_out(&diaries, step))).await;
    } else {
        for step in &steps {
            carry_out(&diaries, step).await;
        }
    }
    // Snapshots are taken meanwhile; which of them makes no difference.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let history = diaries.history(&id()).await.unwrap();
    assert_eq!(history.len(), steps.len());
    let restarts: Vec<Version> = history
        .iter()
        .filter(|event| matches!(event.event, DiaryEvent::SummedUp { .. }) && event.version > Version::FIRST)
        .map(|event| event.version)
        .collect();
    check(&diaries, &history, None).await;
    check(&Repository::new(store.clone()), &history, None).await;
    let mut cuts = cuts.map(|cut| (!restarts.is_empty()).then(|| *cut.get(&restarts)));
    cuts.sort_unstable();
    for cut in cuts.into_iter().flatten() {
        diaries.truncate_before(&id(), cut).await.unwrap();
        check(&diaries, &history, Some(cut)).await;
        check(&Repository::new(store.clone()), &history, Some(cut)).await;
        check(&crate::repository::<Diary>(store.clone()).snapshots(store.snapshots()), &history, Some(cut)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn folding_from_a_restart_equals_folding_from_the_start(
        steps in steps(), together: bool, cuts: [prop::sample::Index; 2]
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(run(steps, together, cuts));
    }
}
