use cqrs_core::{Backoff, Failure, FencingToken, GlobalPosition, StoreError, StoreId};

use super::*;
use crate::error_policy::RetryTransient;

const CATCHING_UP: State = State::CatchingUp;
const STOPPED_BY_ERROR: State = State::Stopped(StopReason::Failed);

fn transient() -> Outcome {
    Outcome::Failed(ReadModelError::Transient(Failure::new("away")).into())
}

fn out_of_sequence() -> Outcome {
    let (from, actual) = (GlobalPosition::START, GlobalPosition::new(3));
    Outcome::Failed(ReadModelError::OutOfSequence { from, actual }.into())
}

fn after(outcomes: impl IntoIterator<Item = Outcome>) -> Machine {
    let policy = RetryTransient::new(Backoff::new(Duration::from_millis(10), Duration::from_millis(80)));
    let mut machine = Machine::new();
    outcomes.into_iter().for_each(|outcome| machine.on(outcome, &policy));
    machine
}

fn wait(machine: &Machine) -> Duration {
    match machine.state() {
        State::Retrying { after } => after,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_starts_catches_up_and_is_live() {
    use Outcome::{Advanced, Started};
    assert_eq!(after([]).state(), State::Starting);
    assert_eq!(after([Started { behind: true }]).state(), CATCHING_UP);
    assert_eq!(after([Started { behind: false }]).state(), State::Live);
    assert_eq!(after([Started { behind: true }, Advanced { more: true }]).state(), CATCHING_UP);
    assert_eq!(after([Started { behind: true }, Advanced { more: false }]).state(), State::Live);
    assert_eq!(after([Started { behind: false }, Advanced { more: true }]).state(), CATCHING_UP);
}

#[test]
fn a_transient_error_is_retried_for_ever_and_ever_more_slowly() {
    let failures = |count: usize| after((0..count).flat_map(|_| [Outcome::Waited, transient()]));
    let mut waits = (1..=4).map(|count| wait(&failures(count)).as_millis());
    assert!((10..=20).contains(&waits.next().unwrap()));
    assert!((20..=40).contains(&waits.next().unwrap()));
    assert!((40..=80).contains(&waits.next().unwrap()));
    assert_eq!(waits.next(), Some(80));
    assert_eq!(failures(1_000).attempts(), 1_000);
    assert_eq!(wait(&failures(1_000)).as_millis(), 80);
}

#[test]
fn a_retry_starts_again_from_the_checkpoint() {
    assert_eq!(after([Outcome::Started { behind: true }, transient(), Outcome::Waited]).state(), State::Starting);
}

#[test]
fn only_a_written_page_ends_a_row_of_failures() {
    let started = after([transient(), Outcome::Waited, Outcome::Started { behind: true }]);
    assert_eq!(started.attempts(), 1);
    let advanced =
        after([transient(), Outcome::Waited, Outcome::Started { behind: true }, Outcome::Advanced { more: true }]);
    assert_eq!(advanced.attempts(), 0);
    assert!(advanced.error().is_some(), "the last error can still be seen");
}

#[test]
fn a_batch_out_of_sequence_reloads_the_checkpoint_once() {
    assert_eq!(after([Outcome::Started { behind: true }, out_of_sequence()]).state(), State::Starting);
    let again = [out_of_sequence(), Outcome::Started { behind: true }, out_of_sequence()];
    assert_eq!(after(again).state(), STOPPED_BY_ERROR);
    let progress =
        [out_of_sequence(), Outcome::Started { behind: true }, Outcome::Advanced { more: true }, out_of_sequence()];
    assert_eq!(after(progress).state(), State::Starting);
}

#[test]
fn a_generation_that_is_gone_is_looked_for_once() {
    let gone = || Outcome::Failed(ReadModelError::NotFound { generation: cqrs_core::Generation::FIRST }.into());
    assert_eq!(after([Outcome::Started { behind: true }, gone()]).state(), State::Starting);
    assert_eq!(after([Outcome::Started { behind: true }, gone(), gone()]).state(), STOPPED_BY_ERROR);
}

#[test]
fn a_permanent_error_stops_it() {
    let rejected = ReadModelError::Rejected { key: "a".to_owned(), reason: "too long".to_owned() };
    let machine = after([Outcome::Started { behind: true }, Outcome::Failed(rejected.into())]);
    assert_eq!(machine.state(), STOPPED_BY_ERROR);
    assert!(machine.error().is_some_and(|error| error.class() == ErrorClass::Permanent));
}

/// Wants to go on whatever happens.
#[derive(Debug)]
struct Stubborn;

impl ErrorPolicy for Stubborn {
    fn decide(&self, _: &ProjectionError, _: u32) -> ErrorDecision {
        ErrorDecision::Retry { after: Duration::ZERO }
    }
}

#[test]
fn no_policy_can_make_it_go_on_where_going_on_would_be_wrong() {
    let token = FencingToken::new(1);
    let fatal = [
        ReadModelError::Fenced { stored: token, offered: token }.into(),
        ProjectionError::Store(StoreError::Fenced { stored: 2, offered: 1 }),
        ProjectionError::ForeignStore { found: StoreId::new(), store: StoreId::new() },
        ProjectionError::CheckpointAhead { checkpoint: GlobalPosition::MAX, head: GlobalPosition::START },
        ProjectionError::HistoryChanged {
            position: GlobalPosition::MAX,
            folded: cqrs_core::EventId::new(),
            found: None,
        },
    ];
    for error in fatal {
        let mut machine = Machine::new();
        machine.on(Outcome::Failed(error.clone()), &Stubborn);
        assert_eq!(machine.state(), STOPPED_BY_ERROR, "{error}");
    }
    let mut machine = Machine::new();
    machine.on(Outcome::Failed(StoreError::Corrupt { what: "it".to_owned() }.into()), &Stubborn);
    assert_eq!(machine.state(), State::Retrying { after: Duration::ZERO });
}

#[test]
fn stopped_is_the_end() {
    let requested = State::Stopped(StopReason::Requested);
    assert_eq!(after([Outcome::StopRequested]).state(), requested);
    assert_eq!(after([transient(), Outcome::StopRequested]).state(), requested);
    let after_all = [Outcome::StopRequested, Outcome::Started { behind: true }, transient(), Outcome::Waited];
    assert_eq!(after(after_all).state(), requested);
}
