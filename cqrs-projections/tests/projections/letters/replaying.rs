use cqrs_core::{DeadLetterCount, DeadLetterId, DeadLetterState, GlobalPosition, Target};
use cqrs_projections::{DeadLetterError, Projections, Reached, Replay};

use super::{NAME, World, count, letter, of, reach, replay, settled, waiting};
use crate::ledger::{append, append_some, closed, moved, paid, until};

#[tokio::test]
async fn a_document_is_replayed_in_order_and_goes_on_by_itself() {
    let world = World::of(2, [13]);
    let running = world.start().await;
    append_some(&world.store, 0..5).await;
    append(&world.store, vec![paid("a", 13), paid("b", 13)]).await;
    let last = append_some(&world.store, 5..20).await;
    reach(&running, last).await;
    world.projector.flaws.mend(13);
    assert_eq!(of(&running).replay(Replay::Document("a".to_owned())).await.unwrap(), 1);
    settled(&running).await;
    assert_eq!(waiting(&running, "a").await, []);
    let oracle = super::oracle_without(&world.store, &[]).await;
    assert_eq!(world.documents().await["a"], oracle["a"]);
    assert_eq!(count(&running).await.documents, 1, "b waits on");

    let last = append_some(&world.store, 20..25).await;
    reach(&running, last).await;
    assert_eq!(waiting(&running, "a").await, [], "its events are folded as they come");
    replay(&running, Replay::All).await;
    assert_eq!(count(&running).await, DeadLetterCount::default());
    assert_eq!(reach(&running, last).await, Reached::default());
    world.assert_right().await;
}

#[tokio::test]
async fn more_letters_than_are_replayed_at_once_are_replayed_while_others_come() {
    let world = World::new([13]);
    let running = world.start().await;
    append(&world.store, vec![paid("a", 1), paid("a", 13)]).await;
    append(&world.store, (0..900).map(|number| paid("a", number % 7 + 1)).collect()).await;
    let last = append(&world.store, (0..900).map(|number| paid("a", number % 7 + 1)).collect()).await;
    reach(&running, last).await;
    world.projector.flaws.mend(13);
    let gate = world.sink.faults.gate("apply");
    of(&running).replay(Replay::All).await.unwrap();
    gate.reached().await;
    append(&world.store, vec![paid("a", 5), paid("b", 5)]).await;
    drop(gate);
    let last = append(&world.store, vec![paid("a", 6)]).await;
    reach(&running, last).await;
    settled(&running).await;
    assert_eq!(count(&running).await, DeadLetterCount::default());
    world.assert_right().await;
}

#[tokio::test]
async fn what_fails_again_keeps_its_place_with_one_more_attempt() {
    let world = World::new([13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("a", 2)]).await.previous();
    reach(&running, refused.next()).await;
    let first = letter(&running, "a", refused).await;
    replay(&running, Replay::One(first.id)).await;
    let again = letter(&running, "a", refused).await;
    assert_eq!(again.failure.unwrap().attempts, 2);
    assert!(again.first_at == first.first_at && again.last_at >= first.last_at);
    let left_out = [("a", refused), ("a", refused.next())];
    world.assert_right_without(&left_out).await;
    let last = append(&world.store, vec![paid("a", 3)]).await;
    reach(&running, last).await;
    assert_eq!(waiting(&running, "a").await.len(), 3);
}

#[tokio::test]
async fn a_replay_goes_as_far_as_it_can() {
    let world = World::new([13, 17]);
    let running = world.start().await;
    let events = vec![paid("a", 1), paid("a", 13), paid("a", 2), paid("a", 17), paid("a", 3)];
    let last = append(&world.store, events).await;
    reach(&running, last).await;
    world.projector.flaws.mend(13);
    replay(&running, Replay::Document("a".to_owned())).await;
    let second = last.previous();
    let expected = [(second.get(), DeadLetterState::Failed), (last.get(), DeadLetterState::Following)];
    assert_eq!(waiting(&running, "a").await, expected);
    world.assert_right_without(&[("a", second), ("a", last)]).await;
    world.projector.flaws.mend(17);
    replay(&running, Replay::Document("a".to_owned())).await;
    world.assert_right().await;
}

#[tokio::test]
async fn a_document_that_was_closed_meanwhile_is_removed_by_its_replay() {
    let world = World::new([13]);
    let running = world.start().await;
    let last = append(&world.store, vec![paid("a", 1), paid("a", 13), closed("a"), moved("b", "c", 1)]).await;
    reach(&running, last).await;
    assert!(world.documents().await.contains_key("a"));
    world.projector.flaws.mend(13);
    replay(&running, Replay::All).await;
    world.assert_right().await;
    assert!(!world.documents().await.contains_key("a"));
}

#[tokio::test]
async fn a_discarded_letter_is_left_out_for_good_and_kept_with_its_reason() {
    let world = World::new([13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("a", 2)]).await.previous();
    reach(&running, refused.next()).await;
    let first = letter(&running, "a", refused).await;
    of(&running).discard(first.id, "entered twice").await.unwrap();
    settled(&running).await;
    world.assert_right_without(&[("a", refused)]).await;
    assert_eq!((waiting(&running, "a").await, count(&running).await), (vec![], DeadLetterCount::default()));
    let record = letter(&running, "a", refused).await;
    assert_eq!(record.discarded.map(|discarded| discarded.reason).as_deref(), Some("entered twice"));
    let last = append(&world.store, vec![paid("a", 3)]).await;
    reach(&running, last).await;
    world.assert_right_without(&[("a", refused)]).await;
}

#[tokio::test]
async fn a_document_whose_only_letter_is_discarded_goes_on() {
    let world = World::new([13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 1), paid("a", 13)]).await;
    reach(&running, refused).await;
    of(&running).discard(letter(&running, "a", refused).await.id, "a mistake").await.unwrap();
    settled(&running).await;
    let last = append(&world.store, vec![paid("a", 3)]).await;
    reach(&running, last).await;
    world.assert_right_without(&[("a", refused)]).await;
}

#[tokio::test]
async fn a_letter_that_follows_can_be_discarded_and_the_others_keep_their_order() {
    let world = World::new([13]);
    let running = world.start().await;
    let events = vec![paid("a", 1), paid("a", 13), paid("a", 2), paid("a", 3)];
    let last = append(&world.store, events).await;
    reach(&running, last).await;
    of(&running).discard(letter(&running, "a", last.previous()).await.id, "a mistake").await.unwrap();
    settled(&running).await;
    assert_eq!(waiting(&running, "a").await.len(), 2, "the first fails again");
    world.projector.flaws.mend(13);
    replay(&running, Replay::All).await;
    world.assert_right_without(&[("a", last.previous())]).await;
}

#[tokio::test]
async fn bad_requests_change_nothing_and_say_why() {
    let world = World::new([13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 13), paid("a", 2)]).await.previous();
    reach(&running, refused.next()).await;
    let (letters, first) = (of(&running), letter(&running, "a", refused).await.id);
    let follows = letter(&running, "a", refused.next()).await.id;
    let before = letters.list(&letters.all()).await.unwrap();

    assert!(matches!(running.dead_letters("none"), Err(DeadLetterError::UnknownProjection { .. })));
    let without = Projections::new(world.store.clone()).add("none", world.projector.clone(), world.sink.clone());
    let without = without.start().await.unwrap();
    assert!(matches!(without.dead_letters("none"), Err(DeadLetterError::NoStore)));
    let target = Target { projection: NAME.parse().unwrap(), generation: cqrs_core::Generation::FIRST, partition: 0 };
    let unknown = DeadLetterId::of(&target, Some("b"), GlobalPosition::new(1));
    assert!(matches!(letters.inspect(unknown).await, Err(DeadLetterError::NotFound { id }) if id == unknown));
    assert!(matches!(letters.replay(Replay::One(unknown)).await, Err(DeadLetterError::NotFound { .. })));
    assert!(matches!(letters.discard(unknown, "why").await, Err(DeadLetterError::NotFound { .. })));
    let nobody = letters.replay(Replay::Document("b".to_owned())).await;
    assert!(matches!(nobody, Err(DeadLetterError::NotParked { key }) if key == "b"));
    let early = letters.replay(Replay::One(follows)).await;
    assert!(matches!(early, Err(DeadLetterError::Follows { first: found, .. }) if found == first));
    for blank in ["", " \n"] {
        assert!(matches!(letters.discard(first, blank).await, Err(DeadLetterError::NoReason)));
    }
    assert_eq!(letters.list(&letters.all()).await.unwrap(), before);

    let gate = world.letters.faults.gate("waiting");
    letters.replay(Replay::All).await.unwrap();
    assert!(matches!(letters.discard(follows, "why").await, Err(DeadLetterError::BeingReplayed { .. })));
    drop(gate);
    settled(&running).await;
    letters.discard(first, "why").await.unwrap();
    assert!(matches!(letters.discard(first, "again").await, Err(DeadLetterError::Discarded { .. })));
    assert!(matches!(letters.replay(Replay::One(first)).await, Err(DeadLetterError::Discarded { .. })));
}

#[tokio::test]
async fn a_replay_that_was_asked_for_while_nobody_ran_is_done_at_the_next_start() {
    let world = World::new([13]);
    let running = world.start().await;
    let last = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("a", 2)]).await;
    reach(&running, last).await;
    running.stop().await;
    world.projector.flaws.mend(13);
    use cqrs_core::DeadLetterStore as _;
    world.letters.replay(&NAME.parse().unwrap(), None).await.unwrap();
    let running = world.start().await;
    until("it is replayed", || async { count(&running).await.documents == 0 }).await;
    world.assert_right().await;
}
