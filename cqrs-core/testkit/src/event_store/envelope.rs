//! Every field of an event comes back as it went in.

use cqrs_core::{
    Append, AppendId, CausationId, CommandId, CorrelationId, EventId, Metadata, NewEvent, ReadAll, RecordedEvent,
    Timestamp, TraceContext,
};

use super::{Store, append, event, event_type, json, log, stream, stream_of};

async fn round_trip(store: &Store, new: NewEvent) -> RecordedEvent {
    append(store, Append::new(vec![new.clone()])).await;
    let recorded = log(store).await;
    let recorded = recorded.into_iter().find(|event| event.id == new.id).expect("it is in the log");
    assert_eq!(stream_of(store, new.stream.as_str()).await.last(), Some(&recorded), "both ways of reading agree");
    let large = ReadAll::after(recorded.position.previous()).limit(10_000);
    let large = store.read_all(large).await.expect("the log can be read").events;
    assert_eq!(large, std::slice::from_ref(&recorded), "large pages agree");
    assert_eq!((&recorded.event_type, &recorded.stream), (&new.event_type, &new.stream));
    assert_eq!(recorded.payload.as_str(), new.payload.as_str(), "byte for byte");
    assert_eq!(recorded.occurred_at, new.occurred_at);
    recorded
}

pub async fn a_payload_comes_back_byte_for_byte(store: Store) {
    for payload in [
        "{}",
        "{ \"b\" : 1 ,\n\t\"a\":\r\n2}",
        " \n{\"amount\":1} \t",
        r#"{"amount":1,"amount":2,"amount":1}"#,
        r#"{"z":1,"a":2,"":3," ":4}"#,
        r#"{"owner":"Nguyễn Thị Ánh","emoji":"👩‍👩‍👧","rtl":"שלום","line":" "}"#,
        r#"{"text":"\" \\ \/ \b \f \n \r \t \u00e9 \ud83d\ude00 \u2028 ' ; -- % _ $1 :name ?"}"#,
        r#"{"amount":123456789012345678901234567890.123456789012345678901234567890}"#,
        r#"{"big":9223372036854775808,"small":-9223372036854775809,"float":1e400,"zero":-0.0,"one":1.00,"exp":1E+2}"#,
    ] {
        round_trip(&store, NewEvent { payload: json(payload), ..event("account-a") }).await;
    }
}

pub async fn a_payload_need_not_be_an_object(store: Store) {
    for payload in ["null", "true", "0", "\"\"", "[]", "[[],{}]", "\"null\""] {
        round_trip(&store, NewEvent { payload: json(payload), ..event("account-a") }).await;
    }
}

pub async fn ids_of_any_uuid_version_come_back(store: Store) {
    for id in ["00000000-0000-0000-0000-000000000001", "ffffffff-ffff-4fff-bfff-ffffffffffff"] {
        let id: EventId = id.parse().expect("it is a UUID");
        round_trip(&store, event("account-a").with_id(id)).await;
    }
}

pub async fn names_of_streams_and_types_come_back(store: Store) {
    let longest = format!("account-{}", "é".repeat(123));
    for name in ["account-ACC-001", "account- ", "account-%", "account-a'b\"c\\d", "a.B_9-Zürich:{1}/2 ", &longest] {
        let recorded = round_trip(&store, event(name)).await;
        assert_eq!(recorded.version.get(), 1, "it is a stream of its own");
    }
    let longest = format!("bank.{}.v4294967295", "a".repeat(110));
    for name in ["bank.retail.account.opened.v2", &longest] {
        round_trip(&store, NewEvent { event_type: event_type(name), ..event("account-a") }).await;
    }
}

pub async fn names_of_streams_that_differ_in_a_detail_are_different_streams(store: Store) {
    // A composed and a decomposed é, a space at the end, upper case.
    let names = ["account-é", "account-e\u{301}", "account-e", "account-E", "account-e ", "Account-e"];
    for name in names {
        round_trip(&store, event(name)).await;
    }
    for name in names {
        assert_eq!(stream_of(&store, name).await.len(), 1, "{name:?}");
    }
}

pub async fn the_occurred_time_is_exact_to_the_microsecond(store: Store) {
    for time in [
        Timestamp::MIN,
        Timestamp::from_micros(-1),
        Timestamp::from_micros(0),
        Timestamp::from_micros(1),
        "1969-12-31T23:59:59.123457Z".parse().expect("it is a moment"),
        "1997-01-31T23:59:59.999999Z".parse().expect("it is a moment"),
        "2024-02-29T12:00:00.000001Z".parse().expect("it is a moment"),
        Timestamp::MAX,
    ] {
        let recorded = round_trip(&store, event("account-a").occurred_at(time)).await;
        assert_eq!(recorded.happened_at(), time);
    }
    let recorded = round_trip(&store, event("account-a")).await;
    assert_eq!(recorded.happened_at(), recorded.recorded_at, "without an occurred time it happened when recorded");
}

pub async fn the_occurred_time_does_not_touch_the_clock(store: Store) {
    round_trip(&store, event("account-a").occurred_at(Timestamp::MAX)).await;
    let late = round_trip(&store, event("account-a").occurred_at(Timestamp::MIN)).await;
    assert!(late.recorded_at > Timestamp::MIN && late.recorded_at < Timestamp::MAX);
}

fn full_metadata() -> Metadata {
    let mut metadata = Metadata::default();
    metadata.command_id = Some(CommandId::new());
    metadata.correlation_id = Some(CorrelationId::new());
    metadata.causation_id = Some(CausationId::new());
    metadata.source = Some("/bank/core".to_owned());
    metadata.actor = Some("teller-7 \"Ánh\" \\ 👩".to_owned());
    metadata.reason = Some("line one\nline two\t'; --".to_owned());
    metadata.tenant = Some("tenant ü".to_owned());
    metadata.trace = Some(TraceContext {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7".to_owned()),
    });
    metadata.tags = vec!["vip".to_owned(), "course:c1".to_owned(), "vip".to_owned(), "a,b".to_owned()];
    metadata.data_subjects = vec!["subject-2".to_owned(), "subject-1".to_owned()];
    metadata.key_id = Some("key-2024".to_owned());
    metadata.headers = [("Content-Type", "x"), ("content-type", ""), ("", "no name"), ("é \"q\"", "{\"a\":1}")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    metadata
}

pub async fn all_metadata_comes_back(store: Store) {
    let metadata = full_metadata();
    let recorded = round_trip(&store, event("account-a").with_metadata(metadata.clone())).await;
    let mut found = recorded.metadata().expect("metadata decodes");
    assert!(found.append_id.take().is_some(), "the store sets the append's id");
    assert_eq!(found, metadata);
}

pub async fn metadata_that_is_not_set_stays_so(store: Store) {
    let recorded = round_trip(&store, event("account-a")).await;
    let mut found = recorded.metadata().expect("metadata decodes");
    found.append_id = None;
    assert_eq!(found, Metadata::default());
}

pub async fn events_of_one_append_keep_metadata_of_their_own(store: Store) {
    let plain = event("account-a");
    let full = event("account-b").with_metadata(full_metadata()).occurred_at(Timestamp::from_micros(7));
    append(&store, Append::new(vec![plain, full.clone(), event("account-a")])).await;
    let actors: Vec<_> = log(&store).await.iter().map(|event| event.metadata().expect("it decodes").actor).collect();
    assert_eq!(actors, [None, full.metadata.actor, None]);
    let times: Vec<_> = log(&store).await.iter().map(|event| event.occurred_at).collect();
    assert_eq!(times, [None, full.occurred_at, None]);
}

pub async fn the_store_sets_the_append_id_the_same_for_all_events_of_an_append(store: Store) {
    let mut foreign = event("account-b");
    foreign.metadata.append_id = Some(AppendId::new());
    let first = Append::new(vec![event("account-a"), foreign, event("account-a")]);
    let second = Append::new(vec![event("account-a")]);
    let expected = [first.id, first.id, first.id, second.id].map(Some);
    append(&store, first).await;
    append(&store, second).await;
    let found: Vec<_> = log(&store).await.iter().map(|event| event.metadata().expect("it decodes").append_id).collect();
    assert_eq!(found, expected);
}

pub async fn a_name_of_a_stream_may_look_like_a_statement(store: Store) {
    let name = "account-'; drop table events; --";
    round_trip(&store, event(name)).await;
    assert_eq!(stream_of(&store, name).await[0].stream, stream(name));
}
