use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::{
    AsOf, Batch, Checkpoint, DocumentWrite, EventStore, FencingToken, GlobalPosition, Payload, ReadAll, ReadModel,
    Target,
};
use cqrs_projections::{
    Differences, DocumentChange, NotComparable, ProjectionError, ProjectionState, Projections, RebuildError, Running,
    StopReason, joined_documents_as_of,
};

use crate::clubs;
use crate::faulty::{Fault, FaultySink, FaultyStore};
use crate::ledger::{
    LONG, Sheet, Spread, append, append_some, documents, generations, noise, oracle, paid, quick, until,
};

const NAME: &str = "sheets";

async fn start(store: &FaultyStore, sink: &FaultySink, partitions: u16) -> Running {
    let projections = Projections::new(store.clone()).add(NAME, Spread(partitions), sink.clone());
    projections.error_policy(quick()).start().await.unwrap()
}

async fn started(partitions: u16) -> (FaultyStore, FaultySink, Running) {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let running = start(&store, &sink, partitions).await;
    let position = append_some(&store, 0..40).await;
    running.wait_for(position, LONG).await.unwrap();
    (store, sink, running)
}

async fn is_right(store: &FaultyStore, sink: &FaultySink, running: &Running) {
    let position = append_some(store, 100..104).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await, oracle(&store.inner).await);
}

/// Writes documents into the live generation that no events gave.
async fn tamper(store: &FaultyStore, sink: &FaultySink, writes: &[(&str, Option<&Sheet>)]) {
    let model = sink.inner();
    let live = model.live(&NAME.parse().unwrap()).await.unwrap().unwrap();
    let position = append(store, vec![noise()]).await;
    let head = store.head().await.unwrap();
    for partition in live.partitions.all() {
        let target = Target { projection: NAME.parse().unwrap(), generation: live.generation, partition };
        let (token, checkpoint) = model.checkpoint(&target).await.unwrap();
        let token = FencingToken::after(token);
        model.fence(&target, token).await.unwrap();
        let own = writes.iter().filter(|(key, _)| live.partitions.of(key) == partition);
        let documents = own.map(|(key, sheet)| DocumentWrite {
            key: (*key).to_owned(),
            document: sheet.map(|sheet| Payload::encode(sheet).unwrap()),
            position,
        });
        let batch = Batch {
            from: checkpoint.map_or(GlobalPosition::START, |checkpoint| checkpoint.position),
            documents: documents.collect(),
            checkpoint: Checkpoint {
                store_id: head.store_id,
                position,
                event_id: head.event_id,
                generation: live.generation,
                token,
            },
        };
        model.apply(&target, batch).await.unwrap();
    }
}

/// Account a has a wrong balance, b is missing, and there is a g that never was.
async fn tampered(partitions: u16) -> (FaultyStore, FaultySink, Running, Sheet) {
    let (store, sink, running) = started(partitions).await;
    running.stop().await;
    let right = documents(&sink.inner(), NAME).await["a"].clone();
    let wrong = Sheet { balance: right.balance + 1, ..right.clone() };
    let hidden = Sheet { trail: 7, ..Sheet::default() };
    let writes = [("a", Some(&wrong)), ("b", None), ("g", Some(&wrong)), ("\u{1}lookup", Some(&hidden))];
    tamper(&store, &sink, &writes).await;
    let running = start(&store, &sink, partitions).await;
    (store, sink, running, right)
}

fn assert_found(found: &Differences, right: &Sheet) {
    let counts = (found.equal, found.changed, found.removed, found.added, found.unsettled);
    assert_eq!(counts, (3, 1, 1, 1, 0), "{found}");
    assert_eq!(found.documents.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["a", "b", "g"]);
    let DocumentChange::Changed(values) = &found.documents[0].change else { panic!("{found}") };
    let [value] = &values[..] else { panic!("{found}") };
    assert_eq!(value.path, "/balance");
    assert_eq!(value.before.as_ref().unwrap(), &serde_json::json!(right.balance + 1));
    assert_eq!(value.after.as_ref().unwrap(), &serde_json::json!(right.balance));
    assert!(matches!(found.documents[1].change, DocumentChange::Added(_)), "{found}");
    assert!(matches!(found.documents[2].change, DocumentChange::Removed(_)), "{found}");
}

#[tokio::test]
async fn documents_of_the_same_log_do_not_differ() {
    for partitions in [1, 3] {
        let (store, sink, running) = started(partitions).await;
        let rebuilt = running.rebuild(NAME).compare().await.unwrap();
        let found = rebuilt.differences.unwrap();
        assert!(found.is_empty() && found.equal == 5, "{found}");
        is_right(&store, &sink, &running).await;
        assert_eq!(generations(&sink.inner(), NAME).await, [2]);
        assert_eq!(running.rebuild(NAME).await.unwrap().differences, None, "unless told");
    }
}

#[tokio::test]
async fn a_document_that_was_tampered_with_one_missing_and_one_extra_are_found() {
    for partitions in [1, 3] {
        let (store, sink, running, right) = tampered(partitions).await;
        let found = running.rebuild(NAME).dry_run().await.unwrap();
        assert_found(&found, &right);
        assert_eq!(generations(&sink.inner(), NAME).await, [1], "nothing was swapped");
        assert_eq!(documents(&sink.inner(), NAME).await["a"].balance, right.balance + 1);

        let few = running.rebuild(NAME).list(1).dry_run().await.unwrap();
        assert_eq!((few.documents.len(), few.different()), (1, 3));

        let rebuilt = running.rebuild(NAME).swap_if(|found| ready(found.different() == 3)).await.unwrap();
        assert_found(&rebuilt.differences.unwrap(), &right);
        is_right(&store, &sink, &running).await;
    }
}

#[tokio::test]
async fn what_is_not_wanted_is_dropped_and_the_live_documents_go_on() {
    let (store, sink, running, right) = tampered(2).await;
    let refused = running.rebuild(NAME).swap_if(|_| ready(false)).await;
    let Err(RebuildError::Unwanted { differences, .. }) = refused else { panic!("{refused:?}") };
    assert_found(&differences, &right);
    assert_eq!(generations(&sink.inner(), NAME).await, [1]);
    let position = append(&store, vec![paid("a", 5)]).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(documents(&sink.inner(), NAME).await["a"].balance, right.balance + 6, "it goes on as it was");

    #[allow(clippy::panic, reason = "it panics")]
    let refused = running.rebuild(NAME).swap_if(async |_| panic!("cannot decide")).await;
    assert!(matches!(refused, Err(RebuildError::Unwanted { .. })), "{refused:?}");
    let position = append(&store, vec![paid("a", 5)]).await;
    running.wait_for(position, LONG).await.unwrap();
}

#[tokio::test]
async fn everything_goes_on_while_somebody_decides() {
    let (store, sink, running) = started(2).await;
    let (asked, question) = tokio::sync::oneshot::channel();
    let (answer, answered) = tokio::sync::oneshot::channel();
    let rebuild = running.rebuild(NAME).swap_if(move |found| async move {
        asked.send(found).unwrap();
        answered.await.unwrap()
    });
    let rebuild = tokio::spawn(rebuild.into_future());
    assert!(question.await.unwrap().is_empty());
    is_right(&store, &sink, &running).await;
    answer.send(true).unwrap();
    rebuild.await.unwrap().unwrap();
    assert_eq!(generations(&sink.inner(), NAME).await, [2]);
    is_right(&store, &sink, &running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_documents_of_the_same_log_do_not_differ() {
    let (store, sink, running) = started(3).await;
    let done = Arc::new(AtomicBool::new(false));
    let (writing, ended) = (store.clone(), Arc::clone(&done));
    let writer = tokio::spawn(async move {
        let mut seed = 1_000;
        // Each rebuild reads the log from the start.
        while seed < 3_000 && !ended.load(Ordering::Relaxed) {
            append_some(&writing, seed..seed + 1).await;
            seed += 1;
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..15 {
        let found = running.rebuild(NAME).batch(20).compare().await.unwrap().differences.unwrap();
        assert!(found.is_empty() && found.equal > 0, "{found}");
    }
    done.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    is_right(&store, &sink, &running).await;
}

/// One of the partitions has stopped, and the others have gone on.
async fn apart(partitions: u16) -> (FaultyStore, FaultySink, Running) {
    let (store, sink, running) = started(partitions).await;
    sink.faults.next("apply", [Fault::Permanent]);
    append_some(&store, 40..60).await;
    let stopped = |state| state == ProjectionState::Stopped(StopReason::Failed);
    until("a partition has stopped and the others are at the end", || async {
        let status = running.status().await.swap_remove(0);
        let mut at = status.partitions.iter().map(|one| (stopped(one.state), one.lag == Some(0)));
        at.clone().any(|(stopped, _)| stopped) && at.all(|(stopped, at_end)| stopped || at_end)
    })
    .await;
    (store, sink, running)
}

#[tokio::test]
async fn a_live_generation_that_has_stopped_is_compared_where_it_stands() {
    for partitions in [1, 2, 5] {
        let (store, sink, running) = apart(partitions).await;
        let found = running.rebuild(NAME).compare().await.unwrap().differences.unwrap();
        assert!(found.is_empty() && found.equal == 5, "of {partitions}: {found}");
        is_right(&store, &sink, &running).await;
    }
}

#[tokio::test]
async fn generations_of_different_numbers_of_partitions_are_compared() {
    for (live, new) in [(2, 3), (5, 1), (1, 4)] {
        let (store, sink, running) = apart(live).await;
        running.stop().await;
        let running = start(&store, &sink, new).await;
        let found = running.rebuild(NAME).compare().await.unwrap().differences.unwrap();
        assert!(found.is_empty() && found.equal == 5, "{live} to {new}: {found}");
        is_right(&store, &sink, &running).await;
    }
}

#[tokio::test]
async fn joined_documents_are_compared_without_what_they_are_joined_with() {
    let (store, sink) = (FaultyStore::default(), FaultySink::default());
    let projections = Projections::new(store.clone()).add_join(NAME, clubs::Members(2), sink.clone());
    let running = projections.error_policy(quick()).start().await.unwrap();
    for seed in 0..30 {
        append(&store, clubs::some(seed)).await;
    }
    sink.faults.next("apply", [Fault::Permanent]);
    let mut position = GlobalPosition::START;
    for seed in 30..60 {
        position = append(&store, clubs::some(seed)).await;
    }
    let _ = running.wait_for(position, LONG).await;
    let rebuilt = running.rebuild(NAME).compare().await.unwrap();
    let expected = clubs::oracle(&store.inner).await;
    assert!(rebuilt.differences.unwrap().is_empty());
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(clubs::documents(&sink.inner(), NAME).await, expected);
    let found = running.rebuild(NAME).dry_run().await.unwrap();
    assert_eq!((found.is_empty(), found.equal), (true, expected.len() as u64), "documents only: {found}");

    let past = joined_documents_as_of(clubs::Members(2), store.clone(), AsOf::Position(position)).await.unwrap();
    assert_eq!(past.all().await.unwrap(), expected);
}

#[tokio::test]
async fn a_comparison_outlasts_transient_failures() {
    for operation in ["list", "load", "checkpoint", "fence", "live", "note", "annotate"] {
        let (store, sink, running, right) = tampered(2).await;
        sink.faults.next(operation, [Fault::Before, Fault::None, Fault::After, Fault::Before]);
        store.faults.next("read_all", [Fault::None, Fault::Before, Fault::None, Fault::Before]);
        let found = running.rebuild(NAME).batch(20).resume().compare().await.unwrap().differences.unwrap();
        sink.faults.heal();
        assert_found(&found, &right);
        is_right(&store, &sink, &running).await;
    }
}

#[tokio::test]
async fn documents_of_another_log_cannot_be_compared() {
    let (_, sink, running) = started(2).await;
    running.stop().await;
    let other = FaultyStore::default();
    append_some(&other, 0..50).await;
    let running = start(&other, &sink, 2).await;
    let refused = running.rebuild(NAME).compare().await;
    let Err(RebuildError::NotComparable { source: NotComparable::Live(source), .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(source, ProjectionError::ForeignStore { .. }), "{source:?}");
    assert_eq!(generations(&sink.inner(), NAME).await, [1]);
    running.rebuild(NAME).await.unwrap();
    is_right(&other, &sink, &running).await;
}

#[tokio::test]
async fn a_rebuild_that_was_killed_is_gone_on_with_and_compared() {
    let (store, sink, running, right) = tampered(2).await;
    let seen = sink.faults.gate("list");
    let rebuild = running.rebuild(NAME).resume().compare().into_future();
    let rebuild = tokio::spawn(rebuild);
    seen.reached().await;
    drop(running);
    drop(seen);
    let _ = rebuild.await;
    let head = store.head().await.unwrap().position;
    let all = store.read_all(ReadAll::after(GlobalPosition::START).until(head)).await.unwrap();
    assert!(!all.events.is_empty());
    let running = start(&store, &sink, 2).await;
    let rebuilt = running.rebuild(NAME).resume().compare().await.unwrap();
    assert!(rebuilt.resumed_from.is_some() && rebuilt.events < 120, "{rebuilt:?}");
    assert_found(&rebuilt.differences.unwrap(), &right);
    is_right(&store, &sink, &running).await;
}
