use std::collections::BTreeSet;

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryLeaseStore, InMemoryReadModel};
use cqrs_core::{AsOf, Documents, GlobalPosition, NewEvent, ReadModel, RecordedEvent, Timestamp, Version};
use cqrs_projections::{
    AsOfError, Differences, DocumentChange, KeptGenerations, ProjectionError, Projections, Running, documents_as_of,
};
use proptest::prelude::*;

use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{
    Documented, LONG, Sheet, Sheets, Spread, append, append_some, documents, generations, log, oracle, oracle_of, paid,
    quick, some, until,
};

const NAME: &str = "sheets";

/// Events that are recorded in another order than they occurred in.
fn events(seeds: &[u64]) -> Vec<Vec<NewEvent>> {
    let occurred = |seed: u64| Timestamp::from_micros(1_700_000_000_000_000 + (seed * 7_919 % 101) as i64 * 1_000_000);
    let events = |seed: &u64| some(*seed).into_iter().map(|event| event.occurred_at(occurred(*seed))).collect();
    seeds.iter().map(events).collect()
}

fn occurred_at(event: &RecordedEvent) -> Timestamp {
    event.occurred_at.unwrap_or(event.recorded_at)
}

/// The differences between two sets of documents, found the long way.
fn assert_differences(found: &Differences, before: &Documented, after: &Documented) {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs: Vec<_> = keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
    assert_eq!(found.documents.iter().map(|one| &one.key).collect::<Vec<_>>(), differs);
    assert_eq!(found.different(), differs.len() as u64);
    assert_eq!(found.equal, before.iter().filter(|(key, sheet)| after.get(*key) == Some(sheet)).count() as u64);
    for one in &found.documents {
        let (before, after) = (before.get(&one.key), after.get(&one.key));
        match &one.change {
            DocumentChange::Added(sheet) => {
                assert_eq!((before, sheet), (None, &serde_json::to_value(after.unwrap()).unwrap()));
            }
            DocumentChange::Removed(sheet) => {
                assert_eq!((after, sheet), (None, &serde_json::to_value(before.unwrap()).unwrap()));
            }
            DocumentChange::Changed(values) => {
                let mut patched = serde_json::to_value(before.unwrap()).unwrap();
                for value in values {
                    assert_eq!(patched.pointer(&value.path), value.before.as_ref());
                    *patched.pointer_mut(&value.path).unwrap() = value.after.clone().unwrap();
                }
                assert_eq!(patched, serde_json::to_value(after.unwrap()).unwrap(), "old to new is all there is");
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn any_moment(seeds: Vec<u64>, partitions: u16, moments: [prop::sample::Index; 2]) {
    let store = InMemoryEventStore::new();
    for events in events(&seeds) {
        append(&store, events).await;
    }
    let log = log(&store).await;
    let mut folded = Vec::new();
    for moment in moments {
        let at = moment.get(&log);
        let position = documents_as_of(Spread(partitions), store.clone(), AsOf::Position(at.position)).await.unwrap();
        let expected = oracle_of(&store, |event| event.position <= at.position).await;
        assert_eq!(position.all().await.unwrap(), expected);
        assert_eq!((position.position(), position.is_provisional()), (at.position, false));
        assert_eq!(position.get("a").await.unwrap().as_ref(), expected.get("a"));

        let recorded =
            documents_as_of(Spread(partitions), store.clone(), AsOf::Recorded(at.recorded_at)).await.unwrap();
        let known = oracle_of(&store, |event| event.recorded_at <= at.recorded_at).await;
        assert_eq!(recorded.all().await.unwrap(), known);

        let time = occurred_at(at);
        let occurred = documents_as_of(Spread(partitions), store.clone(), AsOf::Occurred(time)).await.unwrap();
        let happened = oracle_of(&store, |event| occurred_at(event) <= time).await;
        assert_eq!(occurred.all().await.unwrap(), happened);

        let both = AsOf::Bitemporal { occurred: time, recorded: at.recorded_at };
        let bitemporal = documents_as_of(Spread(partitions), store.clone(), both).await.unwrap();
        let known = oracle_of(&store, |event| occurred_at(event) <= time && event.recorded_at <= at.recorded_at).await;
        assert_eq!(bitemporal.all().await.unwrap(), known);

        let found = position.diff(&occurred).await.unwrap();
        assert_differences(&found, &expected, &happened);
        folded.push((position, expected));
    }
    let [(before, before_as), (after, after_as)] = &folded[..] else { panic!("two moments") };
    assert_differences(&before.diff(after).await.unwrap(), before_as, after_as);
    assert!(after.diff(after).await.unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn at_any_moment_the_documents_are_those_of_the_log_until_then(
        seeds in proptest::collection::vec(0..1_000_u64, 1..25),
        partitions in 1..4_u16,
        moments in any::<[prop::sample::Index; 2]>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(any_moment(seeds, partitions, moments));
    }
}

#[tokio::test]
async fn a_moment_after_the_log_is_provisional_and_a_version_is_no_moment() {
    let store = InMemoryEventStore::new();
    let position = append_some(&store, 0..5).await;
    let future = documents_as_of(Sheets, store.clone(), AsOf::Recorded(Timestamp::MAX)).await.unwrap();
    assert!(future.is_provisional() && future.position() == position);
    assert_eq!(future.all().await.unwrap(), oracle(&store).await);
    let before = documents_as_of(Sheets, store.clone(), AsOf::Recorded(Timestamp::MIN)).await.unwrap();
    assert!(!before.is_provisional() && before.all().await.unwrap().is_empty());
    let refused = documents_as_of(Sheets, store, AsOf::Version(Version::FIRST)).await;
    assert!(matches!(refused, Err(AsOfError::Version)), "{refused:?}");
}

#[tokio::test]
async fn an_event_that_cannot_be_folded_has_no_past_after_it() {
    let store = InMemoryEventStore::new();
    let before = append(&store, vec![paid("a", 1)]).await;
    append(&store, vec![paid("a", 13)]).await;
    let refused = documents_as_of(Sheets, store.clone(), AsOf::Position(GlobalPosition::MAX)).await;
    assert!(matches!(refused, Err(AsOfError::Failed(ProjectionError::Project { .. }))), "{refused:?}");
    let past = documents_as_of(Sheets, store, AsOf::Position(before)).await.unwrap();
    assert_eq!(past.get("a").await.unwrap().map(|sheet| sheet.balance), Some(1));
}

async fn start(store: &FaultyStore, sink: &FaultySink) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, Spread(2), sink.clone());
    projections.error_policy(quick()).start().await.unwrap()
}

async fn kept(model: &InMemoryReadModel, name: &str) -> Documented {
    let documents: Documents<Sheet> = KeptGenerations::new(model.clone(), NAME).unwrap().documents(name).await.unwrap();
    let keys: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).into();
    let found = documents.get_many(&keys).await.unwrap();
    keys.into_iter().zip(found).filter_map(|(key, sheet)| Some((key, sheet?))).collect()
}

#[tokio::test]
async fn a_moment_is_kept_beside_the_live_documents_until_it_is_removed() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    append_some(&store, 0..3).await;
    let one = append_some(&store, 3..20).await;
    let two = append_some(&store, 20..40).await;
    running.wait_for(two, LONG).await.unwrap();
    let first = running.as_of(NAME, AsOf::Position(one)).keep("first").await.unwrap();
    let recorded = log(&store.inner).await[9].recorded_at;
    running.as_of(NAME, AsOf::Recorded(recorded)).keep("Ánh's").await.unwrap();
    assert_eq!((first.position, first.provisional, first.as_of), (one, false, AsOf::Position(one)));

    let then = oracle_of(&store.inner, |event| event.position <= one).await;
    let earlier = oracle_of(&store.inner, |event| event.recorded_at <= recorded).await;
    assert_ne!(then, earlier);
    let model = sink.inner();
    for generation in 4..=5 {
        assert_eq!(kept(&model, "first").await, then);
        assert_eq!(kept(&model, "Ánh's").await, earlier);
        let live = running.rebuild(NAME).await.unwrap().generation.get();
        assert_eq!(
            (live, generations(&model, NAME).await),
            (generation, vec![2, 3, generation]),
            "no rebuild drops it"
        );
        let position = append_some(&store, 50..53).await;
        running.wait_for(position, LONG).await.unwrap();
        assert_eq!(documents(&model, NAME).await, oracle(&store.inner).await);
    }
    let all = KeptGenerations::new(model.clone(), NAME).unwrap();
    let listed = all.list().await.unwrap();
    let names: Vec<_> = listed.iter().map(|kept| (kept.name.as_str(), kept.generation.get(), kept.as_of)).collect();
    assert_eq!(names, [("first", 2, AsOf::Position(one)), ("Ánh's", 3, AsOf::Recorded(recorded))]);
    assert_eq!(listed[0], first);
    assert_differences(&all.diff("Ánh's", "first").await.unwrap(), &earlier, &then);

    all.remove("first").await.unwrap();
    assert!(matches!(all.remove("first").await, Err(AsOfError::NotKept { .. })));
    assert!(matches!(all.documents::<Sheet>("first").await, Err(AsOfError::NotKept { .. })));
    assert_eq!(generations(&model, NAME).await, [3, 5]);
    running.as_of(NAME, AsOf::Position(two)).keep("first").await.unwrap();
    assert_eq!(kept(&model, "first").await, oracle_of(&store.inner, |event| event.position <= two).await);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_leaves_nothing() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    let position = append_some(&store, 0..20).await;
    let long = "x".repeat(129);
    let keep = |name| running.as_of(NAME, AsOf::Position(position)).keep(name);
    keep("one").await.unwrap();
    assert!(matches!(keep("one").await, Err(AsOfError::NameTaken { .. })));
    for bad in ["", "a\nb", &long] {
        assert!(matches!(keep(bad).await, Err(AsOfError::InvalidName(_))), "{bad:?}");
    }
    let unknown = running.as_of("none", AsOf::Position(position)).keep("two").await;
    assert!(matches!(unknown, Err(AsOfError::UnknownProjection { .. })), "{unknown:?}");
    let version = running.as_of(NAME, AsOf::Version(Version::FIRST)).keep("two").await;
    assert!(matches!(version, Err(AsOfError::Version)), "{version:?}");
    sink.faults.always("fill", Fault::Permanent);
    assert!(matches!(keep("two").await, Err(AsOfError::Failed(_))));
    sink.faults.heal();
    assert_eq!(generations(&sink.inner(), NAME).await, [1, 2]);

    let gate = sink.faults.gate("fill");
    let rebuild = tokio::spawn(running.rebuild(NAME).into_future());
    gate.reached().await;
    assert!(matches!(keep("two").await, Err(AsOfError::BeingRebuilt { .. })));
    drop(gate);
    rebuild.await.unwrap().unwrap();
    keep("two").await.unwrap();
}

#[tokio::test]
async fn what_was_killed_while_it_was_filled_is_not_kept() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    let position = append_some(&store, 0..20).await;
    let gate = sink.faults.gate("fill");
    let keep = running.as_of(NAME, AsOf::Position(position)).keep("one");
    tokio::select! {
        kept = keep => panic!("{kept:?}"),
        () = gate.reached() => {}
    }
    drop(gate);
    assert_eq!(generations(&sink.inner(), NAME).await, [1, 2]);
    assert!(KeptGenerations::new(sink.inner(), NAME).unwrap().list().await.unwrap().is_empty());
    running.rebuild(NAME).await.unwrap();
    assert_eq!(generations(&sink.inner(), NAME).await, [3]);
}

#[tokio::test]
async fn what_another_version_has_noted_is_not_dropped() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink).await;
    append_some(&store, 0..5).await;
    let model = sink.inner();
    let foreign = model.begin(&NAME.parse().unwrap(), cqrs_core::Partitions::ONE).await.unwrap();
    model.annotate(&NAME.parse().unwrap(), foreign, r#"{"archived":{}}"#).await.unwrap();
    running.rebuild(NAME).await.unwrap();
    assert_eq!(generations(&model, NAME).await, [2, 3]);
}

#[tokio::test]
async fn one_process_keeps_what_others_do_not_drop() {
    let (store, sink, leases) = (FaultyStore::default(), FaultySink::default(), InMemoryLeaseStore::new());
    let process = async || {
        let projections = Projections::new(store.clone()).add(NAME, Spread(2), sink.clone()).leases(leases.clone());
        projections.error_policy(quick()).start().await.unwrap()
    };
    let (one, other) = (process().await, process().await);
    let position = append_some(&store, 0..20).await;
    one.wait_for(position, LONG).await.unwrap();
    let gate = sink.faults.gate("fill");
    let filling = tokio::spawn(one.as_of(NAME, AsOf::Position(position)).keep("one"));
    gate.reached().await;
    let refused = other.rebuild(NAME).await;
    assert!(matches!(refused, Err(cqrs_projections::RebuildError::AlreadyRunning { .. })), "{refused:?}");
    drop(gate);
    filling.await.unwrap().unwrap();
    until("the lease was given back", || async { other.rebuild(NAME).await.is_ok() }).await;
    assert_eq!(kept(&sink.inner(), "one").await, oracle(&store.inner).await);
}
