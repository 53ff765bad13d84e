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

fn run(mut machine: Machine, outcomes: impl IntoIterator<Item = Outcome>) -> Machine {
    let policy = RetryTransient::new(Backoff::new(Duration::from_millis(10), Duration::from_millis(80)));
    outcomes.into_iter().for_each(|outcome| machine.on(outcome, &policy));
    machine
}

fn after(outcomes: impl IntoIterator<Item = Outcome>) -> Machine {
    run(Machine::new(false), outcomes)
}

/// A machine that shares its partition, and holds the lease.
fn leased_and(outcomes: impl IntoIterator<Item = Outcome>) -> Machine {
    run(run(Machine::new(true), [Outcome::Leased]), outcomes)
}

fn fenced() -> Outcome {
    let token = FencingToken::new(1);
    Outcome::Failed(ReadModelError::Fenced { stored: token, offered: token }.into())
}

fn gone() -> Outcome {
    Outcome::Failed(ReadModelError::NotFound { generation: cqrs_core::Generation::FIRST }.into())
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
    assert_eq!(failures(1_000).attempts().count(), 1_000);
    assert_eq!(wait(&failures(1_000)).as_millis(), 80);
}

#[test]
fn a_retry_starts_again_from_the_checkpoint() {
    assert_eq!(after([Outcome::Started { behind: true }, transient(), Outcome::Waited]).state(), State::Starting);
}

#[test]
fn only_a_written_page_ends_a_row_of_failures() {
    let started = after([transient(), Outcome::Waited, Outcome::Started { behind: true }]);
    assert_eq!(started.attempts().count(), 1);
    let advanced =
        after([transient(), Outcome::Waited, Outcome::Started { behind: true }, Outcome::Advanced { more: true }]);
    assert_eq!(advanced.attempts().count(), 0);
    assert!(advanced.error().is_some(), "the last error can still be seen");
}

#[test]
fn a_replay_is_no_progress_of_the_log() {
    for behind in [true, false] {
        let replayed = after([transient(), Outcome::Waited, Outcome::Started { behind }, Outcome::Replayed]);
        assert_eq!(replayed.attempts().count(), 1);
        assert_eq!(replayed.state(), if behind { CATCHING_UP } else { State::Live });
    }
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
fn a_generation_that_is_gone_is_looked_for_at_once_and_then_now_and_again() {
    assert_eq!(after([Outcome::Started { behind: true }, gone()]).state(), State::Starting);
    let again = after([Outcome::Started { behind: true }, gone(), gone()]);
    assert_eq!(again.state(), State::Retrying { after: AGAIN });
    assert_eq!(run(again, [Outcome::Waited]).state(), State::Starting);
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
        let mut machine = Machine::new(false);
        machine.on(Outcome::Failed(error.clone()), &Stubborn);
        assert_eq!(machine.state(), STOPPED_BY_ERROR, "{error}");
    }
    let mut machine = Machine::new(false);
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

#[test]
fn who_shares_waits_for_the_lease_first() {
    assert_eq!(run(Machine::new(true), []).state(), State::Waiting);
    assert_eq!(leased_and([]).state(), State::Starting);
    assert_eq!(leased_and([Outcome::Started { behind: true }]).state(), CATCHING_UP);
    assert_eq!(run(Machine::new(true), [Outcome::StopRequested]).state(), State::Stopped(StopReason::Requested));
}

#[test]
fn without_the_lease_it_waits_whatever_it_was_doing() {
    let doing = [
        vec![],
        vec![Outcome::Started { behind: true }],
        vec![Outcome::Started { behind: false }],
        vec![Outcome::HeldBack],
        vec![transient()],
    ];
    for before in doing {
        let machine = run(leased_and(before), [Outcome::LeaseLost]);
        assert_eq!((machine.state(), machine.attempts().count()), (State::Waiting, 0));
        assert_eq!(run(machine, [Outcome::Leased]).state(), State::Starting, "and starts anew when it gets it again");
    }
    let stopped =
        run(leased_and([Outcome::Failed(StoreError::Fenced { stored: 2, offered: 1 }.into())]), [Outcome::LeaseLost]);
    assert_eq!(stopped.state(), STOPPED_BY_ERROR, "unless it has stopped");
}

#[test]
fn the_holder_of_the_lease_takes_its_target_back() {
    for others in [fenced, gone] {
        assert_eq!(leased_and([Outcome::Started { behind: true }, others()]).state(), State::Starting);
        let again = leased_and([others(), Outcome::Started { behind: true }, others()]);
        assert_eq!(
            again.state(),
            State::Retrying { after: AGAIN },
            "not in a hurry, so that two do not chase each other"
        );
        assert_eq!(run(again, [Outcome::Waited]).state(), State::Starting);
        let progress = [others(), Outcome::Started { behind: true }, Outcome::Advanced { more: true }, others()];
        assert_eq!(leased_and(progress).state(), State::Starting);
        assert_eq!(leased_and([others(), Outcome::LeaseLost, Outcome::Leased, others()]).state(), State::Starting);
    }
}

#[test]
fn a_swap_holds_it_back_until_it_is_over() {
    let held_back = leased_and([Outcome::HeldBack]);
    assert_eq!(held_back.state(), State::HeldBack);
    assert_eq!(run(held_back, [Outcome::Waited]).state(), State::Starting);
    assert_eq!(leased_and([Outcome::Started { behind: false }, Outcome::Replaced]).state(), State::Starting);
}

#[test]
fn what_is_wrong_with_the_documents_stops_the_holder_of_the_lease_as_well() {
    for error in [
        ProjectionError::ForeignStore { found: StoreId::new(), store: StoreId::new() },
        ProjectionError::CheckpointAhead { checkpoint: GlobalPosition::MAX, head: GlobalPosition::START },
        ProjectionError::Aborted,
    ] {
        assert_eq!(leased_and([Outcome::Failed(error)]).state(), STOPPED_BY_ERROR);
    }
    assert_eq!(leased_and([out_of_sequence(), out_of_sequence()]).state(), STOPPED_BY_ERROR);
}
