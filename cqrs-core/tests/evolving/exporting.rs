//! JSON lines: as it was recorded, or as it would be today.

use cqrs_core::{CodecError, DomainEvent, EventType, RecordedEvent, read_json_lines, write_json_lines};
use cqrs_testkit::sample::AccountEvent;

use super::{former_account, recorded, today};

fn round_trip(events: &[RecordedEvent]) -> Vec<RecordedEvent> {
    let mut lines = Vec::new();
    write_json_lines(events, &mut lines).unwrap();
    read_json_lines(&lines[..]).collect::<Result<_, _>>().unwrap()
}

#[test]
fn an_export_holds_what_was_recorded_byte_for_byte() {
    let events = former_account();
    assert_eq!(round_trip(&events), events);
}

#[test]
fn an_export_of_upcast_events_holds_today_s_types_and_payloads_at_the_recorded_places() {
    let events = former_account();
    let upcast: Vec<_> = events.iter().flat_map(|event| event.upcast::<AccountEvent>().unwrap()).collect();
    let exported = round_trip(&upcast);
    let expected = today().into_iter().map(|(event, version)| {
        let recorded = events.iter().find(|recorded| recorded.version.get() == version).unwrap();
        let event_type = EventType::new(event.event_type()).unwrap();
        RecordedEvent { event_type, payload: event.encode().unwrap(), ..recorded.clone() }
    });
    assert_eq!(exported, expected.collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_decoded_cannot_be_upcast() {
    let unknown = recorded(1, "account.frozen.v1", "{}").upcast::<AccountEvent>().unwrap_err();
    assert!(matches!(unknown, CodecError::UnknownType(_)));
    assert!(recorded(1, "account.withdrawn.v1", "{}").upcast::<AccountEvent>().is_err());
}
