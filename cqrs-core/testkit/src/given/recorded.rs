//! An aggregate's past as it was recorded.

use std::io::BufRead;

use cqrs_core::{Apply, DomainEvent, RecordedEvent, StreamName, Version, read_json_lines};

use super::Given;
use crate::fail::{chain, fail};

/// How many other streams a failing test names.
const NAMED: usize = 5;

/// An aggregate to which has happened what was recorded in its stream, as
/// [`write_json_lines`](cqrs_core::write_json_lines) writes it: a line for each event. Old versions and former names are read
/// as today's events. Lines of other streams are passed over, so that a whole log may be given.
///
/// ```
/// use cqrs_testkit::given_json_lines;
/// use cqrs_testkit::sample::{Account, AccountEvent, AccountId, Withdraw};
///
/// let recorded = r#"
/// {"position":7,"id":"018cc251-f400-7000-8000-000000000001","type":"account.created.v1","stream":"account-ACC-001","version":1,"recorded_at":"2024-01-01T00:00:00Z","payload":{"owner":"Ann"},"metadata":{}}
/// {"position":9,"id":"018cc251-f400-7000-8000-000000000002","type":"account.deposited.v1","stream":"account-ACC-001","version":2,"recorded_at":"2024-01-01T00:00:00Z","payload":{"amount":100},"metadata":{}}
/// "#;
/// given_json_lines::<Account>(&AccountId::new("ACC-001"), recorded.as_bytes())
///     .when(Withdraw { amount: 30 })
///     .then([AccountEvent::Withdrawn { amount: 30 }]);
/// ```
///
/// Of a file: `given_json_lines(&id, BufReader::new(File::open("tests/account.jsonl")?))`.
///
/// # Panics
/// When a line is no event or an event of the stream cannot be decoded; when the stream is not in there, begins late at an
/// event that does not restart the state, or misses one of its events.
#[track_caller]
#[must_use = "it says nothing before one of the `then`s"]
pub fn given_json_lines<A: Apply>(id: &A::Id, lines: impl BufRead) -> Given<A> {
    let stream = StreamName::of(A::CATEGORY, id).unwrap_or_else(|error| fail(&error.to_string()));
    let (mut events, mut newest, mut others) = (Vec::new(), None, Vec::new());
    for line in read_json_lines(lines) {
        let event = line.unwrap_or_else(|error| fail(&chain(&error)));
        if event.stream != stream {
            if others.len() <= NAMED && !others.contains(&event.stream) {
                others.push(event.stream);
            }
            continue;
        }
        let first = events.len();
        if let Err(error) = event.decode::<A::Event>(&mut events) {
            fail(&format!("version {} of {stream}, {}: {}", event.version, event.event_type, chain(&error)))
        }
        follows(&event, newest, events[first..].first());
        newest = Some(event.version);
    }
    if newest.is_none() {
        fail(&not_there(&stream, &others))
    }
    Given { events }
}

/// Refuses a past that begins late or has a hole.
#[track_caller]
fn follows<E: DomainEvent>(event: &RecordedEvent, newest: Option<Version>, first: Option<&E>) {
    let RecordedEvent { stream, version, .. } = event;
    match newest {
        None if *version == Version::FIRST || first.is_some_and(E::restarts_state) => {}
        None => fail(&format!("{stream} begins with version {version}, which does not restart the state")),
        Some(newest) if *version == Version::after(Some(newest)) => {}
        Some(newest) => fail(&format!("version {version} of {stream} follows version {newest}")),
    }
}

fn not_there(stream: &StreamName, others: &[StreamName]) -> String {
    let names: Vec<_> = others.iter().take(NAMED).map(StreamName::as_str).collect();
    match (others.len(), names.join(", ")) {
        (0, _) => format!("no event of {stream} is among the lines: there are none"),
        (..=NAMED, names) => format!("no event of {stream} is among the lines, only of {names}"),
        (_, names) => format!("no event of {stream} is among the lines, only of {names} and others"),
    }
}
