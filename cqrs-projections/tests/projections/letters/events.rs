//! Events that belong to no document: they cannot be decoded, or are routed to what is no key.

use cqrs_core::{DeadLetterCause, DeadLetterCount, NewEvent, Payload, StreamName};
use cqrs_projections::{DeadLetterError, ProjectionError, Replay, WaitError};

use super::{World, count, of, policy, reach};
use crate::ledger::{LONG, LedgerEvent, append, paid};

fn undecodable() -> NewEvent {
    NewEvent { payload: Payload::from_bytes(r#"{"account":7}"#), ..paid("a", 1) }
}

/// Routed to what is no key.
fn unroutable() -> NewEvent {
    let event = LedgerEvent::Paid { account: String::new(), amount: 5 };
    NewEvent::encode(StreamName::new("ledger-x").unwrap(), &event).unwrap()
}

#[tokio::test]
async fn such_an_event_stops_the_projection_unless_told_otherwise() {
    let world = World::new([]);
    let running = world.start().await;
    let last = append(&world.store, vec![paid("a", 1), undecodable(), paid("b", 2)]).await;
    let waited = running.wait_for(last, LONG).await;
    let Err(WaitError::Stopped { source: Some(ProjectionError::Undecodable(error)), .. }) = waited else {
        panic!("{waited:?}")
    };
    assert_eq!(error.position, last.previous());
    assert_eq!(count(&running).await, DeadLetterCount::default());
}

#[tokio::test]
async fn such_an_event_is_one_letter_whatever_the_partitions_and_all_others_are_folded() {
    for partitions in [1, 4] {
        let world = World::of(partitions, []);
        let running = world.projections().error_policy(policy().events_too()).start().await.unwrap();
        let last = append(&world.store, vec![paid("a", 1), undecodable(), unroutable(), paid("b", 2)]).await;
        let reached = reach(&running, last).await;
        let expected = DeadLetterCount { documents: 0, letters: 0, without_document: 2 };
        assert_eq!(reached.dead_letters[0].count, expected);
        assert_eq!(count(&running).await, expected);
        let documents = world.documents().await;
        assert_eq!(documents.keys().collect::<Vec<_>>(), ["a", "b"]);

        let letters = of(&running);
        let listed = letters.list(&letters.all()).await.unwrap().letters;
        let causes: Vec<_> = listed.iter().map(|letter| letter.failure.as_ref().unwrap().cause).collect();
        assert_eq!(causes, [DeadLetterCause::Event, DeadLetterCause::Routing]);
        for letter in &listed {
            let refused = letters.replay(Replay::One(letter.id)).await;
            assert!(matches!(refused, Err(DeadLetterError::WithoutDocument { .. })), "{refused:?}");
            assert_eq!(letters.inspect(letter.id).await.unwrap().event.map(|event| event.id), Some(letter.event.id));
            letters.discard(letter.id, "looked at").await.unwrap();
        }
        assert!(reach(&running, last).await.dead_letters.is_empty());
        running.stop().await;
        let running = world.projections().error_policy(policy().events_too()).start().await.unwrap();
        let last = append(&world.store, vec![paid("a", 3)]).await;
        assert!(reach(&running, last).await.dead_letters.is_empty());
    }
}

#[tokio::test]
async fn many_such_events_are_left_out_in_one_pass() {
    let world = World::new([]);
    let mut events: Vec<_> = (0..300).map(|_| undecodable()).collect();
    events.push(paid("a", 1));
    let last = append(&world.store, events).await;
    let running = world.projections().error_policy(policy().events_too()).start().await.unwrap();
    reach(&running, last).await;
    assert_eq!(count(&running).await.without_document, 300);
    assert_eq!((world.sink.faults.calls("apply"), world.letters.faults.calls("keep")), (1, 1));
}
