//! The envelope: every field comes back, and fields of a later version do no harm.

use cqrs_core::{AppendId, CausationId, ClaimKey, CommandId, CorrelationId, Metadata, Payload, TraceContext};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

fn uuid() -> impl Strategy<Value = Option<Uuid>> {
    option::of(any::<u128>().prop_map(Uuid::from_u128))
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(".*")
}

fn keys() -> impl Strategy<Value = Vec<ClaimKey>> {
    vec(("[a-z0-9_.]{1,64}", ".{1,200}").prop_map(|(scope, value)| ClaimKey::new(scope, value).unwrap()), 0..3)
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let ids = (uuid(), uuid(), uuid(), uuid());
    let texts = (text(), text(), text(), text(), text(), text());
    let trace = option::of((".*", text()));
    let many = (vec(".*", 0..3), vec(".*", 0..3), btree_map(".*", ".*", 0..4));
    let claims = (keys(), keys());
    (ids, texts, trace, many, claims).prop_map(|(ids, texts, trace, many, claims)| {
        let mut metadata = Metadata::default();
        metadata.append_id = ids.0.map(AppendId::from_uuid);
        metadata.command_id = ids.1.map(CommandId::from_uuid);
        metadata.correlation_id = ids.2.map(CorrelationId::from_uuid);
        metadata.causation_id = ids.3.map(CausationId::from_uuid);
        (metadata.command, metadata.source, metadata.actor, metadata.reason, metadata.tenant, metadata.key_id) = texts;
        metadata.trace = trace.map(|(traceparent, tracestate)| TraceContext { traceparent, tracestate });
        (metadata.tags, metadata.data_subjects, metadata.headers) = many;
        (metadata.claims.taken, metadata.claims.released) = claims;
        metadata
    })
}

proptest! {
    #[test]
    fn every_field_comes_back(metadata in metadata()) {
        let written = Payload::encode(&metadata).unwrap();
        prop_assert_eq!(written.decode::<Metadata>().unwrap(), metadata.clone());
        let fields: Value = written.decode().unwrap();
        prop_assert!(fields.as_object().unwrap().values().all(|value| !value.is_null()), "what is not set is not there");
        let changed = metadata != Metadata::default();
        prop_assert_eq!(changed, written.as_str() != "{}");
    }

    #[test]
    fn fields_that_are_not_known_change_nothing(metadata in metadata(), later in btree_map("later_.*", any::<i64>(), 0..4)) {
        let mut fields: Value = Payload::encode(&metadata).unwrap().decode().unwrap();
        let known = fields.as_object_mut().unwrap();
        known.extend(later.into_iter().map(|(name, value)| (name, Value::from(value))));
        prop_assert_eq!(Payload::encode(&fields).unwrap().decode::<Metadata>().unwrap(), metadata);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = Payload::from_bytes(bytes).decode::<Metadata>();
    }
}
