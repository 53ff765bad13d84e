//! Documents that the read model refuses.

use cqrs_core::{DeadLetterCause, DocumentWrite};
use cqrs_projections::Replay;

use super::{World, count, letter, reach, replay, sheet, waiting};
use crate::ledger::{append, append_some, closed, moved, paid};

/// Those whose balance is above 1,000.
fn rich(write: &DocumentWrite) -> bool {
    sheet(write).is_some_and(|sheet| sheet.balance > 1_000)
}

#[tokio::test]
async fn a_document_that_is_refused_waits_at_the_event_that_made_it_so() {
    for before in 0..6 {
        let world = World::new([]);
        world.sink.refuse(rich);
        let mut events: Vec<_> = (0..before).map(|_| paid("a", 5)).collect();
        events.extend([paid("b", 1), paid("a", 1_000), paid("b", 2), paid("a", 7), paid("a", 8), moved("c", "d", 4)]);
        if before % 2 == 1 {
            events.insert(0, closed("a"));
        }
        let guilty = cqrs_core::GlobalPosition::new(events.len() as u64 - 4);
        // A balance of 1,000 is taken, and what comes on top is not.
        let guilty = if before == 0 { cqrs_core::GlobalPosition::new(guilty.get() + 2) } else { guilty };
        let last = append(&world.store, events).await;
        let running = world.start().await;
        reach(&running, last).await;
        let letters = waiting(&running, "a").await;
        assert_eq!(letters.first().map(|(position, _)| *position), Some(guilty.get()), "{before} before");
        let found = letter(&running, "a", guilty).await.failure.unwrap();
        assert_eq!(found.cause, DeadLetterCause::ReadModel);
        assert!(found.error.contains("not of this kind"), "{found:?}");
        let positions = letters.iter().map(|(position, _)| cqrs_core::GlobalPosition::new(*position));
        let left_out: Vec<_> = positions.map(|position| ("a", position)).collect();
        world.assert_right_without(&left_out).await;

        world.sink.take_all();
        replay(&running, Replay::All).await;
        world.assert_right().await;
    }
}

#[tokio::test]
async fn several_documents_of_one_batch_are_refused_and_all_others_written() {
    let world = World::of(2, []);
    world.sink.refuse(rich);
    append_some(&world.store, 0..3).await;
    append(&world.store, vec![paid("a", 5_000), paid("b", 5_000), paid("c", 5_000)]).await;
    let last = append_some(&world.store, 3..9).await;
    let running = world.start().await;
    reach(&running, last).await;
    let parked = count(&running).await.documents;
    assert!(parked >= 3, "{parked}");
    world.sink.take_all();
    replay(&running, Replay::All).await;
    world.assert_right().await;
}

#[tokio::test]
async fn a_replay_that_is_refused_goes_as_far_as_it_can() {
    let world = World::new([13]);
    let running = world.start().await;
    let events = vec![paid("a", 1), paid("a", 13), paid("a", 2), paid("a", 5_000), paid("a", 3)];
    let last = append(&world.store, events).await;
    reach(&running, last).await;
    world.projector.flaws.mend(13);
    world.sink.refuse(rich);
    replay(&running, Replay::All).await;
    assert_eq!(waiting(&running, "a").await.len(), 2);
    world.assert_right_without(&[("a", last.previous()), ("a", last)]).await;
    world.sink.take_all();
    replay(&running, Replay::All).await;
    world.assert_right().await;
}

#[tokio::test]
async fn without_a_policy_for_it_a_refused_document_stops_the_projection_and_changes_nothing() {
    let world = World::new([]);
    world.sink.refuse(rich);
    let running = world.projections().error_policy(crate::ledger::quick()).start().await.unwrap();
    let last = append(&world.store, vec![paid("b", 1), paid("a", 5_000)]).await;
    let waited = running.wait_for(last, crate::ledger::LONG).await;
    assert!(matches!(waited, Err(cqrs_projections::WaitError::Stopped { .. })), "{waited:?}");
    assert_eq!(count(&running).await.letters, 0);
    assert!(world.documents().await.is_empty());
}

#[tokio::test]
async fn in_a_rebuild_a_refused_document_waits_at_the_same_event_whatever_was_folded_together() {
    for (partitions, batch) in [(1, 1), (1, 4), (1, 1_000), (3, 7), (3, 1_000)] {
        let mut world = World::of(partitions, []);
        world.store = world.store.page(5);
        append_some(&world.store, 0..4).await;
        append(&world.store, vec![paid("a", 1_000), paid("b", 5), paid("a", 1_000)]).await;
        append_some(&world.store, 4..8).await;
        append(&world.store, vec![paid("c", 5_000), paid("b", 5)]).await;
        let last = append(&world.store, (0..30).map(|_| paid("b", 1)).collect()).await;
        world.sink.refuse(rich);
        let running = world.start().await;
        reach(&running, last).await;
        let letters = async || (waiting(&running, "a").await, waiting(&running, "c").await);
        let before = letters().await;
        assert!(!before.0.is_empty() && !before.1.is_empty());

        running.rebuild(super::NAME).batch(batch).await.unwrap();
        assert_eq!(letters().await, before, "{batch} at once in {partitions} partitions");
        let compared = running.rebuild(super::NAME).batch(batch).compare().await.unwrap().differences.unwrap();
        assert!(compared.is_empty(), "{compared}");
        assert_eq!(letters().await, before);

        world.sink.take_all();
        replay(&running, Replay::All).await;
        world.assert_right().await;
    }
}
