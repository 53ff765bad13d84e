use cqrs_core::{Batch, DeadLetterCount, Generation, ReadModel, ReadModelError, Target};
use cqrs_projections::{ProjectionState, Replay, Running, StopReason};

use super::{NAME, TOGGLES, World, count, of, reach, replay, waiting};
use crate::faulty::Fault;
use crate::ledger::{append, append_some, paid, until};

/// Some events, among them some that are refused.
async fn refuse_some(world: &World) {
    append_some(&world.store, 0..4).await;
    append(&world.store, vec![paid("a", 13), paid("b", 13)]).await;
    append_some(&world.store, 4..8).await;
}

/// Mends the projector and replays everything, whatever fails meanwhile.
async fn mend_and_replay(world: &World, running: &Running) {
    world.projector.flaws.mend(13);
    of(running).replay(Replay::All).await.unwrap();
    until("everything is replayed", || async { count(running).await == DeadLetterCount::default() }).await;
}

#[tokio::test]
async fn whatever_call_fails_and_however_nothing_is_lost_or_doubled() {
    let sink = ["checkpoint", "fence", "load", "apply"].map(|operation| (operation, true));
    let letters =
        ["take_over", "keep", "waiting", "settle", "to_replay", "partitions_to_replay"].map(|name| (name, false));
    for (operation, is_sink) in sink.into_iter().chain(letters) {
        for fault in [Fault::Before, Fault::After, Fault::Torn] {
            let mut world = World::of(2, [13]);
            world.store = world.store.page(3);
            world.batches = world.batches.events(3);
            let faults = if is_sink { &world.sink.faults } else { &world.letters.faults };
            faults.next(operation, [fault, Fault::None, fault, fault]);
            let running = world.start().await;
            refuse_some(&world).await;
            let last = append_some(&world.store, 8..10).await;
            reach(&running, last).await;
            faults.next(operation, [fault, Fault::None, fault, Fault::None, fault]);
            mend_and_replay(&world, &running).await;
            let last = append_some(&world.store, 10..12).await;
            reach(&running, last).await;
            assert_eq!(
                world.documents().await,
                super::oracle_without(&world.store, &[]).await,
                "{operation} {fault:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_between_a_letter_and_the_checkpoint_comes_to_the_same_letters() {
    for mended in [false, true] {
        let world = World::new([13]);
        let running = world.start().await;
        let gate = world.sink.faults.gate("apply");
        let refused = append(&world.store, vec![paid("b", 1), paid("a", 13), paid("a", 2)]).await.previous();
        gate.reached().await;
        let kept = waiting(&running, "a").await;
        assert_eq!(kept.len(), 2, "letters come first");
        drop(running);
        drop(gate);
        if mended {
            world.projector.flaws.mend(13);
        }
        let last = append(&world.store, vec![paid("b", 3), paid("a", 4)]).await;
        let running = world.start().await;
        reach(&running, last).await;
        assert_eq!(waiting(&running, "a").await[..2], kept);
        let left_out = [refused, refused.next(), last].map(|position| ("a", position));
        world.assert_right_without(&left_out).await;
        mend_and_replay(&world, &running).await;
        world.assert_right().await;
    }
}

#[tokio::test]
async fn letters_are_not_replayed_before_the_checkpoint_has_passed_them() {
    let world = World::new([13]);
    let running = world.start().await;
    let gate = world.sink.faults.gate("apply");
    append(&world.store, vec![paid("a", 1), paid("b", 1), paid("a", 13), paid("a", 2)]).await;
    gate.reached().await;
    drop(running);
    drop(gate);
    // Somebody asks for it while the checkpoint stands before them.
    use cqrs_core::DeadLetterStore as _;
    world.projector.flaws.mend(13);
    assert_eq!(world.letters.replay(&NAME.parse().unwrap(), None).await.unwrap(), 1);
    let running = world.start().await;
    until("it is replayed", || async { count(&running).await == DeadLetterCount::default() }).await;
    let last = append(&world.store, vec![paid("a", 3)]).await;
    reach(&running, last).await;
    world.assert_right().await;
}

#[tokio::test]
async fn a_letter_that_was_discarded_before_the_checkpoint_passed_it_stays_discarded() {
    let world = World::new([13]);
    let running = world.start().await;
    let gate = world.sink.faults.gate("apply");
    let refused = append(&world.store, vec![paid("b", 1), paid("a", 13)]).await;
    gate.reached().await;
    let first = super::letter(&running, "a", refused).await.id;
    of(&running).discard(first, "a mistake").await.unwrap();
    drop(running);
    drop(gate);
    let last = append(&world.store, vec![paid("a", 3)]).await;
    let running = world.start().await;
    reach(&running, last).await;
    super::settled(&running).await;
    assert_eq!(waiting(&running, "a").await, []);
    world.assert_right_without(&[("a", refused)]).await;
}

#[tokio::test]
async fn a_removal_is_replayed_once_although_no_read_model_remembers_it() {
    for fault in [Fault::Before, Fault::After] {
        for (operation, is_sink) in [("settle", false), ("apply", true), ("note_removal", false)] {
            let world = World::new([TOGGLES]);
            let running = world.start().await;
            let last = append(&world.store, vec![paid("a", 1), paid("a", TOGGLES)]).await;
            reach(&running, last).await;
            world.projector.flaws.mend(TOGGLES);
            let faults = if is_sink { &world.sink.faults } else { &world.letters.faults };
            faults.next(operation, [fault, fault]);
            replay(&running, Replay::All).await;
            assert!(world.documents().await.is_empty(), "{operation} {fault:?}: folded twice, it would be there again");
            let last = append(&world.store, vec![paid("a", 3)]).await;
            reach(&running, last).await;
            world.assert_right().await;
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_in_a_replay_leaves_the_rest_to_the_next() {
    for (operation, is_sink) in [("apply", true), ("settle", false)] {
        let world = World::new([13]);
        let running = world.start().await;
        let last = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("a", 2)]).await;
        reach(&running, last).await;
        world.projector.flaws.mend(13);
        let faults = if is_sink { &world.sink.faults } else { &world.letters.faults };
        let gate = faults.gate(operation);
        of(&running).replay(Replay::All).await.unwrap();
        gate.reached().await;
        drop(running);
        drop(gate);
        let running = world.start().await;
        until("it is replayed", || async { count(&running).await == DeadLetterCount::default() }).await;
        world.assert_right().await;
    }
}

#[tokio::test]
async fn a_sink_that_lost_everything_is_filled_again_and_parked_documents_stay_parked() {
    let world = World::new([13]);
    let running = world.start().await;
    refuse_some(&world).await;
    let last = append_some(&world.store, 8..9).await;
    reach(&running, last).await;
    world.sink.lose_all();
    world.sink.faults.next("apply", [Fault::Before]);
    let last = append_some(&world.store, 9..10).await;
    reach(&running, last).await;
    assert_eq!(count(&running).await.documents, 2);
    mend_and_replay(&world, &running).await;
    world.assert_right().await;
}

#[tokio::test]
async fn what_was_sent_for_a_replay_that_failed_is_refused_when_it_arrives_late() {
    for fault in [Fault::Before, Fault::After] {
        let world = World::new([13]);
        let running = world.start().await;
        let last = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("a", 2)]).await;
        reach(&running, last).await;
        let target = Target { projection: NAME.parse().unwrap(), generation: Generation::FIRST, partition: 0 };
        let (token, checkpoint) = world.sink.inner().checkpoint(&target).await.unwrap();
        world.projector.flaws.mend(13);
        world.sink.faults.next("apply", [fault]);
        replay(&running, Replay::All).await;
        world.assert_right().await;
        // The same place in the log, the same documents, and yet nothing that the first attempt sent is written.
        let late = Batch { from: last, documents: Vec::new(), checkpoint: checkpoint.unwrap() };
        let refused = world.sink.inner().apply(&target, late).await;
        assert!(
            matches!(refused, Err(ReadModelError::Fenced { offered, .. }) if Some(offered) == token),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_process_without_leases_that_failed_to_replay_does_not_take_back_what_another_one_took() {
    let world = World::new([13]);
    let first = world.start().await;
    let last = append(&world.store, vec![paid("a", 1), paid("a", 13)]).await;
    reach(&first, last).await;
    world.projector.flaws.mend(13);
    world.sink.faults.always("apply", Fault::Before);
    of(&first).replay(Replay::All).await.unwrap();
    until("it has failed", || async { first.status().await[0].attempts > 0 }).await;
    let mut other = World::new([]);
    (other.store, other.sink) = (world.store.clone(), world.sink.elsewhere());
    other.letters.inner = world.letters.inner.clone();
    let second = other.start().await;
    until("the other one replays it", || async { count(&second).await == DeadLetterCount::default() }).await;
    world.sink.faults.heal();
    until("the first one stops", || async {
        first.status().await[0].state == ProjectionState::Stopped(StopReason::Failed)
    })
    .await;
    let last = append(&world.store, vec![paid("a", 3)]).await;
    reach(&second, last).await;
    world.assert_right().await;
}
