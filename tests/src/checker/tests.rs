//! A checker that finds nothing proves nothing: each violation, in a history that is sound but for it.

use super::*;
use crate::journal::Attempt;

/// Three appends of one, three and one events to two streams, acknowledged to two writers; one refused, one open; and a
/// reader that saw everything.
fn sound() -> History {
    let (mut one, mut other) = (Journal::default(), Journal::default());
    let mut log = Vec::new();
    one.push(append(&mut log, &["a-1"]));
    other.push(append(&mut log, &["a-1", "b-1", "a-1"]));
    one.push(append(&mut log, &["b-1"]));
    one.push(Attempt { ids: vec![EventId::new()], fate: Fate::Refused });
    other.push(Attempt { ids: vec![EventId::new(), EventId::new()], fate: Fate::Open });
    let seen = log.iter().map(|event| (event.position, event.id)).collect();
    let until = log[4].position;
    let observations = vec![Observation { reader: "reader".to_owned(), seen, until }];
    History { log, journals: vec![one, other], observations }
}

fn append(log: &mut Vec<LoggedEvent>, streams: &[&str]) -> Attempt {
    let start = log.len();
    // A hole after each append: positions need not be dense.
    let first = log.last().map_or(1, |event| event.position.get() + 2);
    for (position, stream) in (first..).zip(streams) {
        let stream = StreamName::new(stream).unwrap();
        let head = log.iter().rev().find(|event| event.stream == stream).map(|event| event.version);
        log.push(LoggedEvent {
            id: EventId::new(),
            version: Version::after(head),
            stream,
            position: GlobalPosition::new(position),
            recorded_at: Timestamp::from_micros(i64::try_from(first).unwrap()),
        });
    }
    let written = &log[start..];
    let place = Place {
        first_position: written[0].position,
        position: written[streams.len() - 1].position,
        versions: written.iter().map(|event| event.version).collect(),
    };
    Attempt { ids: written.iter().map(|event| event.id).collect(), fate: Fate::Acknowledged(place) }
}

/// The violations after a change.
fn broken(change: impl FnOnce(&mut History)) -> Vec<Violation> {
    let mut history = sound();
    change(&mut history);
    check(&history).violations
}

fn reader() -> String {
    "reader".to_owned()
}

#[test]
fn a_sound_history_has_no_violation_and_is_counted() {
    let verdict = check(&sound());
    verdict.assert_sound();
    assert_eq!((verdict.attempted, verdict.acknowledged, verdict.refused, verdict.open), (5, 3, 1, 1));
    assert_eq!((verdict.events, verdict.readers), (5, 1));
    assert!(verdict.to_string().ends_with("sound"), "{verdict}");
}

#[test]
fn an_acknowledged_event_that_is_not_in_the_log_is_found() {
    let mut lost = None;
    let violations = broken(|history| {
        lost = history.log.pop().map(|event| event.id);
        history.observations.clear();
    });
    assert_eq!(violations, [Violation::Lost { id: lost.unwrap() }]);
}

#[test]
fn an_event_that_is_in_the_log_twice_is_found() {
    let violations = broken(|history| {
        let mut again = history.log[0].clone();
        again.position = GlobalPosition::new(99);
        again.version = Version::new(4).unwrap();
        again.recorded_at = Timestamp::from_micros(99);
        history.log.push(again);
    });
    assert!(violations.iter().any(|one| matches!(one, Violation::Doubled { first, again, .. }
        if first.get() == 1 && again.get() == 99)));
}

#[test]
fn an_append_at_another_position_than_acknowledged_is_found() {
    let violations = broken(|history| {
        let Fate::Acknowledged(place) = &mut history.journals[0].attempts[1].fate else { unreachable!() };
        place.position = place.position.next();
    });
    assert!(matches!(violations[..], [Violation::AtAnotherPosition { acknowledged, found, .. }]
        if acknowledged.get() == found.get() + 1));
}

#[test]
fn an_event_of_another_version_than_acknowledged_is_found() {
    let violations = broken(|history| {
        let Fate::Acknowledged(place) = &mut history.journals[1].attempts[0].fate else { unreachable!() };
        place.versions[2] = place.versions[2].next();
    });
    assert!(matches!(violations[..], [Violation::AtAnotherVersion { acknowledged, found, .. }]
        if acknowledged == found.next()));
}

#[test]
fn an_event_that_was_refused_and_is_in_the_log_is_found() {
    let violations = broken(|history| history.journals[0].attempts[1].fate = Fate::Refused);
    assert!(matches!(violations[..], [Violation::RefusedButWritten { .. }]), "{violations:?}");
}

#[test]
fn an_event_that_was_refused_once_and_then_written_is_no_violation() {
    let violations = broken(|history| {
        let ids = history.journals[0].attempts[1].ids.clone();
        history.journals[0].attempts.insert(1, Attempt { ids, fate: Fate::Refused });
    });
    assert_eq!(violations, []);
}

#[test]
fn an_event_that_nobody_attempted_is_found() {
    let violations = broken(|history| {
        history.journals[0].attempts.remove(1);
    });
    assert!(matches!(violations[..], [Violation::NeverAttempted { .. }]), "{violations:?}");
}

#[test]
fn an_append_of_which_only_a_part_was_written_is_found() {
    let violations = broken(|history| {
        history.journals[1].attempts[0].fate = Fate::Open;
        history.journals[1].attempts[0].ids.push(EventId::new());
    });
    assert!(matches!(violations[..], [Violation::Torn { found: 3, of: 4, .. }]), "{violations:?}");
}

#[test]
fn an_open_append_that_repeats_an_event_of_another_is_not_torn() {
    let violations = broken(|history| {
        let ids = vec![history.log[0].id, EventId::new()];
        history.journals[1].attempts.push(Attempt { ids, fate: Fate::Open });
    });
    assert_eq!(violations, []);
}

#[test]
fn an_append_whose_events_do_not_follow_each_other_is_found() {
    let violations = broken(|history| {
        let last = history.log[4].id;
        let inner = history.log[2].id;
        // The last event of the log changes places with the middle one of the append: both are in stream b-1.
        (history.log[2].id, history.log[4].id) = (last, inner);
    });
    assert!(violations.iter().any(|one| matches!(one, Violation::Scattered { .. })), "{violations:?}");
}

#[test]
fn positions_that_do_not_increase_are_found() {
    for position in [3, 2] {
        let violations = broken(|history| history.log[2].position = GlobalPosition::new(position));
        assert!(violations.iter().any(|one| matches!(one, Violation::PositionNotIncreasing { before, after }
            if before.get() == 3 && after.get() == position)));
    }
}

#[test]
fn versions_with_a_hole_or_a_repetition_are_found() {
    for version in [3, 1] {
        let found = Version::new(version).unwrap();
        let violations = broken(|history| history.log[4].version = found);
        assert!(violations.iter().any(|one| matches!(one, Violation::VersionNotDense { stream, expected, found: at }
            if stream.as_str() == "b-1" && expected.get() == 2 && *at == found)));
    }
}

#[test]
fn a_clock_that_goes_back_is_found() {
    let violations = broken(|history| history.log[4].recorded_at = Timestamp::from_micros(1));
    assert!(matches!(violations[..], [Violation::ClockWentBack { position, .. }] if position.get() == 7));
}

#[test]
fn an_event_that_a_reader_skipped_is_found() {
    let violations = broken(|history| {
        history.observations[0].seen.remove(2);
    });
    assert!(matches!(&violations[..], [Violation::Skipped { reader: by, position, .. }]
        if *by == reader() && position.get() == 4));
}

#[test]
fn the_end_of_the_log_that_a_reader_was_not_given_is_found() {
    let violations = broken(|history| history.observations[0].seen.truncate(3));
    assert_eq!(violations.len(), 2);
    assert_eq!(
        broken(|history| {
            history.observations[0].seen.truncate(3);
            history.observations[0].until = GlobalPosition::new(4);
        }),
        [],
        "what stands beyond was not due"
    );
}

#[test]
fn an_event_that_a_reader_was_given_twice_is_found() {
    let violations = broken(|history| {
        let seen = &mut history.observations[0].seen;
        seen.push(seen[3]);
    });
    assert!(matches!(violations[..], [Violation::SeenTwice { position, .. }] if position.get() == 5));
}

#[test]
fn events_that_a_reader_was_given_in_another_order_are_found() {
    let violations = broken(|history| history.observations[0].seen.swap(1, 2));
    assert!(matches!(violations[..], [Violation::SeenOutOfOrder { position, after, .. }]
        if position.get() == 3 && after.get() == 4));
}

#[test]
fn an_event_that_a_reader_was_given_and_the_log_does_not_hold_is_found() {
    let position = GlobalPosition::new(8);
    let id = EventId::new();
    let violations = broken(|history| history.observations[0].seen.push((position, id)));
    assert_eq!(violations, [Violation::SeenButNotThere { reader: reader(), id, position }]);
}
