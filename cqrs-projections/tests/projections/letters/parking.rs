use cqrs_core::{DeadLetterCause, DeadLetterCount, DeadLetterState};
use cqrs_projections::{DeadLettersOf, ProjectionError, ProjectionState, Projections, Reached, WaitError};

use super::{NAME, World, count, letter, of, oracle_without, policy, reach, waiting};
use crate::faulty::Fault;
use crate::ledger::{LONG, append, append_some, moved, paid};

#[tokio::test]
async fn a_document_that_refuses_an_event_waits_with_its_later_ones_while_all_others_go_on() {
    for partitions in [1, 3] {
        let world = World::of(partitions, [13]);
        let running = world.start().await;
        let before = append(&world.store, vec![paid("a", 1), paid("b", 2)]).await;
        assert_eq!(reach(&running, before).await, Reached::default(), "nothing is parked");
        let refused = append(&world.store, vec![paid("a", 13)]).await;
        let last = append(&world.store, vec![paid("b", 3), moved("b", "a", 2), paid("c", 4)]).await;
        let reached = reach(&running, last).await;

        let waits = DeadLetterCount { documents: 1, letters: 2, without_document: 0 };
        assert_eq!(reached.dead_letters, [DeadLettersOf { name: NAME.parse().unwrap(), count: waits }]);
        let position = last.previous();
        world.assert_right_without(&[("a", refused), ("a", position)]).await;
        let expected = [(refused.get(), DeadLetterState::Failed), (position.get(), DeadLetterState::Following)];
        assert_eq!(waiting(&running, "a").await, expected);

        let status = running.status().await.swap_remove(0);
        assert_eq!((status.state, status.dead_letters, status.retries), (ProjectionState::Live, Some(waits), 0));
        assert_eq!(status.partitions.iter().map(|one| one.parked).sum::<u64>(), 1);
    }
}

#[tokio::test]
async fn a_letter_tells_what_went_wrong_and_can_be_inspected_with_its_event() {
    let world = World::new([13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 13)]).await;
    let last = append(&world.store, vec![paid("a", 1)]).await;
    reach(&running, last).await;
    let found = letter(&running, "a", refused).await;
    let failure = found.failure.clone().unwrap();
    assert_eq!((failure.cause, failure.attempts), (DeadLetterCause::Projector, 1));
    assert!(failure.error.ends_with("13 is refused"), "{failure:?}");
    let inspected = of(&running).inspect(found.id).await.unwrap();
    assert_eq!(inspected.letter, found);
    let event = inspected.event.unwrap();
    assert_eq!((event.position, event.id), (refused, found.event.id));
    assert!(event.payload.as_bytes().windows(2).any(|two| two == b"13"));
    assert_eq!(letter(&running, "a", last).await.failure, None);
}

#[tokio::test]
async fn documents_without_number_are_parked_in_one_pass() {
    let world = World::new([13]);
    let names: Vec<_> = (0..500).map(|number| format!("account-{number}")).collect();
    let mut events: Vec<_> = names.iter().map(|name| paid(name, 13)).collect();
    events.push(paid("a", 1));
    let last = append(&world.store, events).await;
    let running = world.start().await;
    reach(&running, last).await;
    assert_eq!(count(&running).await.documents, 500);
    assert_eq!((world.sink.faults.calls("apply"), world.letters.faults.calls("keep")), (1, 1));
    assert_eq!(world.documents().await.len(), 1);
}

#[tokio::test]
async fn without_trouble_the_store_of_letters_is_asked_for_next_to_nothing() {
    let world = World::new([]);
    let running = world.start().await;
    for seed in 0..20 {
        let position = append_some(&world.store, seed..seed + 1).await;
        reach(&running, position).await;
    }
    let faults = &world.letters.faults;
    assert_eq!((faults.calls("take_over"), faults.calls("keep"), faults.calls("waiting")), (1, 0, 0));
    world.assert_right().await;
}

#[tokio::test]
async fn parked_documents_are_still_parked_after_a_restart() {
    let world = World::of(2, [13]);
    let running = world.start().await;
    let refused = append(&world.store, vec![paid("a", 1), paid("a", 13), paid("b", 2)]).await.previous();
    reach(&running, refused.next()).await;
    running.stop().await;
    let last = append(&world.store, vec![paid("a", 3), paid("b", 4)]).await;
    // The flaw is gone, and yet the event waits its turn.
    world.projector.flaws.mend(13);
    let running = world.start().await;
    assert_eq!(reach(&running, last).await.dead_letters[0].count.letters, 2);
    let left_out = [("a", refused), ("a", last.previous())];
    assert_eq!(world.documents().await, oracle_without(&world.store, &left_out).await);
    super::replay(&running, cqrs_projections::Replay::All).await;
    world.assert_right().await;
}

#[tokio::test]
async fn retries_come_before_the_letter_and_hold_up_nobody_for_longer() {
    let world = World::new([13]);
    let running = world.projections().error_policy(policy().retries(3)).start().await.unwrap();
    let refused = append(&world.store, vec![paid("b", 1), paid("a", 13), paid("b", 2)]).await.previous();
    reach(&running, refused.next()).await;
    let failure = letter(&running, "a", refused).await.failure.unwrap();
    assert_eq!(failure.attempts, 4);
    world.assert_right_without(&[("a", refused)]).await;
    // The next one has as many.
    let refused = append(&world.store, vec![paid("c", 13)]).await;
    reach(&running, refused).await;
    assert_eq!(letter(&running, "c", refused).await.failure.unwrap().attempts, 4);
}

#[tokio::test]
async fn without_a_store_for_letters_the_projection_stops_and_says_so() {
    let world = World::new([13]);
    let projections = Projections::new(world.store.clone()).add(NAME, world.projector.clone(), world.sink.clone());
    let running = projections.error_policy(policy()).start().await.unwrap();
    let refused = append(&world.store, vec![paid("b", 1), paid("a", 13)]).await;
    match running.wait_for(refused, LONG).await {
        Err(WaitError::Stopped { source: Some(ProjectionError::NoDeadLetterStore(error)), .. }) => {
            assert_eq!(error.document(), Some("a"));
        }
        waited => panic!("{waited:?}"),
    }
    world.assert_right_without(&[("a", refused)]).await;
}

#[tokio::test]
async fn letters_that_cannot_be_kept_stop_the_projection_before_their_event() {
    let world = World::new([13]);
    let running = world.start().await;
    world.letters.faults.always("keep", Fault::Permanent);
    let refused = append(&world.store, vec![paid("a", 13), paid("b", 1)]).await.previous();
    let waited = running.wait_for(refused.next(), LONG).await;
    assert!(
        matches!(waited, Err(WaitError::Stopped { source: Some(ProjectionError::DeadLetters(_)), .. })),
        "{waited:?}"
    );
    assert_eq!(running.status().await[0].position, refused.previous());
}
