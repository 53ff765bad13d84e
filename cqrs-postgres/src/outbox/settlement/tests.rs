use super::*;
use cqrs_core::{Failure, MessageKey, Topic};

fn lane(name: &str, sequences: impl IntoIterator<Item = i64>) -> Lane {
    let message = || {
        let message = Message::new(Topic::new("shop.order.placed").unwrap(), "{}");
        message.with_key(MessageKey::new(name).unwrap())
    };
    let open =
        |sequence| OpenMessage { sequence, message: message(), is_parked: false, attempts: 0, failing_for: None };
    Lane { name: name.to_owned(), messages: sequences.into_iter().map(open).collect() }
}

/// Failed so often, for the first time so long ago.
fn failing(mut lane: Lane, attempts: u32, failing_for: Duration) -> Lane {
    lane.messages[0].attempts = attempts;
    lane.messages[0].failing_for = Some(failing_for);
    lane
}

const SECOND: Duration = Duration::from_secs(1);

const PATIENCE: Patience = Patience { attempts: 3, backoff: Backoff::new(SECOND, SECOND) };

fn transient() -> Result<(), PublishError> {
    Err(PublishError::Transient(Failure::new("away")))
}

fn permanent() -> Result<(), PublishError> {
    Err(PublishError::Permanent(Failure::new("poison\0ed")))
}

fn settled(lanes: &[Lane], outcomes: Vec<Result<(), PublishError>>) -> Settlement {
    settle(lanes, outcomes, PATIENCE, None)
}

fn delays(settlement: &Settlement) -> Vec<Option<Duration>> {
    settlement.released.iter().map(|released| released.delay).collect()
}

#[test]
fn what_was_published_is_marked_and_its_lane_is_due_at_once() {
    let settlement = settled(&[lane("a", [1, 3]), lane("b", [2])], vec![Ok(()), Ok(()), Ok(())]);
    assert_eq!(settlement.published, [1, 3, 2]);
    assert_eq!(settlement.failed, []);
    assert_eq!(delays(&settlement), [Some(Duration::ZERO), Some(Duration::ZERO)]);
}

#[test]
fn a_failure_delays_its_lane_and_counts_for_its_message_only() {
    let outcomes = vec![Ok(()), transient(), Err(PublishError::Withheld), Ok(())];
    let settlement = settled(&[lane("a", [1, 2, 3]), lane("b", [4])], outcomes);
    assert_eq!(settlement.published, [1, 4]);
    let [failed] = &settlement.failed[..] else { panic!("{settlement:?}") };
    assert_eq!((failed.sequence, failed.is_parked), (2, false));
    assert_eq!(failed.reason, "the broker is unavailable: away");
    assert_eq!(delays(&settlement), [Some(SECOND), Some(Duration::ZERO)]);
}

#[test]
fn what_the_broker_refuses_for_good_is_parked_and_holds_its_lane() {
    let settlement = settled(&[lane("a", [1, 2])], vec![permanent(), Err(PublishError::Withheld)]);
    let [failed] = &settlement.failed[..] else { panic!("{settlement:?}") };
    assert_eq!((failed.sequence, failed.is_parked), (1, true));
    assert_eq!(failed.reason, "the broker refused the message: poisoned", "without what the database cannot keep");
    assert_eq!(delays(&settlement), [None]);
}

#[test]
fn the_last_attempt_parks_when_something_else_gets_through() {
    let lanes = [failing(lane("a", [1]), 2, SECOND), lane("b", [2])];
    let settlement = settled(&lanes, vec![transient(), Ok(())]);
    assert!(settlement.failed[0].is_parked);
    assert_eq!(delays(&settlement), [None, Some(Duration::ZERO)]);
}

#[test]
fn while_nothing_gets_through_nothing_is_parked() {
    let lanes = [failing(lane("a", [1]), 200, SECOND), failing(lane("b", [2]), 200, SECOND)];
    for quiet_for in [None, Some(SECOND * 2)] {
        let settlement = settle(&lanes, vec![transient(), transient()], PATIENCE, quiet_for);
        assert!(settlement.failed.iter().all(|failed| !failed.is_parked), "{quiet_for:?}");
    }
    let settlement = settle(&lanes, vec![transient(), transient()], PATIENCE, Some(SECOND / 2));
    assert!(settlement.failed.iter().all(|failed| failed.is_parked), "others got through since they failed first");
}

#[test]
fn outcomes_that_are_missing_are_failures() {
    let settlement = settled(&[lane("a", [1, 2]), lane("b", [3])], vec![Ok(())]);
    assert_eq!(settlement.published, [1]);
    assert_eq!(settlement.failed.iter().map(|failed| failed.sequence).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_message_that_was_published_out_of_order_is_published_all_the_same() {
    let settlement = settled(&[lane("a", [1, 2])], vec![transient(), Ok(())]);
    assert_eq!(settlement.published, [2], "publishing it again would not put it in order");
}

#[test]
fn a_lane_that_begins_with_a_parked_message_waits_for_an_operator() {
    let mut lanes = [lane("a", [1, 2]), lane("b", [3])];
    lanes[0].messages[0].is_parked = true;
    assert_eq!(publishable(&lanes).map(|open| open.sequence).collect::<Vec<_>>(), [3]);
    let settlement = settled(&lanes, vec![Ok(())]);
    assert_eq!(settlement.published, [3]);
    assert_eq!(delays(&settlement), [None, Some(Duration::ZERO)]);
}
