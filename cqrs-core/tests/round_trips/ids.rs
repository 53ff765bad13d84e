//! Ids: of the shape of UUIDv7, near their time, and the same each time where they derive from something.

use cqrs_core::{CausationId, CommandId, CorrelationId, EventId, Timestamp};
use proptest::prelude::*;
use uuid::{Uuid, Variant};

/// The 48 bits of a UUIDv7 that hold milliseconds since 1970-01-01T00:00:00Z.
fn millis(id: Uuid) -> u64 {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&id.as_bytes()[..6]);
    u64::from_be_bytes(bytes)
}

fn is_v7(id: Uuid) -> bool {
    id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122
}

proptest! {
    #[test]
    fn an_id_of_any_bits_comes_back(bits: u128) {
        let id = EventId::from_uuid(Uuid::from_u128(bits));
        prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(&json, &format!("\"{id}\""));
        prop_assert_eq!(serde_json::from_str::<EventId>(&json).unwrap(), id);
        let command = CommandId::from_uuid(id.as_uuid());
        prop_assert_eq!(CausationId::from(id).as_uuid(), id.as_uuid());
        prop_assert_eq!(CausationId::from(command).as_uuid(), id.as_uuid());
        prop_assert_eq!(CorrelationId::from(command).as_uuid(), id.as_uuid());
    }

    #[test]
    fn no_text_makes_an_id_panic(text in ".{0,40}") {
        let _ = text.parse::<EventId>();
    }

    #[test]
    fn an_event_id_keeps_the_time_of_its_command_of_any_uuid_version(bits: u128, index: u32, other: u32) {
        let command = CommandId::from_uuid(Uuid::from_u128(bits));
        let event = EventId::derive(command, index);
        prop_assert!(is_v7(event.as_uuid()), "{}", event);
        prop_assert_eq!(millis(event.as_uuid()), millis(command.as_uuid()));
        prop_assert_eq!(EventId::derive(command, index), event);
        prop_assert_eq!(EventId::derive(command, other) == event, other == index);
        prop_assert_ne!(event.as_uuid(), command.as_uuid());
    }

    #[test]
    fn a_named_command_id_has_the_time_that_it_was_named_with(micros: i64, name in ".*", other in ".*") {
        let time = Timestamp::from_micros(micros);
        let command = CommandId::named(time, &name);
        prop_assert!(is_v7(command.as_uuid()), "{}", command);
        // There is no prefix for a time before 1970.
        prop_assert_eq!(i128::from(millis(command.as_uuid())), i128::from(time.as_micros().div_euclid(1_000)).max(0));
        prop_assert_eq!(CommandId::named(time, &name), command);
        prop_assert_eq!(CommandId::named(time, &other) == command, other == name);
        let later = time.plus_micros(1);
        prop_assert_eq!(CommandId::named(later, &name) == command, later == time);
    }

    #[test]
    fn ids_of_now_follow_each_other(count in 2..200usize) {
        let before = Timestamp::now();
        let ids: Vec<_> = (0..count).map(|_| EventId::new()).collect();
        prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        for id in ids {
            prop_assert!(is_v7(id.as_uuid()));
            prop_assert!(millis(id.as_uuid()).cast_signed() >= before.as_micros() / 1_000);
        }
    }
}
