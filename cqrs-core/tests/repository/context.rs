//! What a command carries flows into its events.

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{CausationId, CommandId, Context, CorrelationId, Metadata, Recorded, Timestamp, TraceContext};

use super::counter::{Add, AddOnes, Counter, CounterEvent, id};

async fn written(context: Context) -> Vec<Recorded<CounterEvent>> {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    counters.execute_with(&id(), AddOnes(2), context).await.unwrap();
    counters.history(&id()).await.unwrap()
}

async fn metadata(context: Context) -> Metadata {
    let events = written(context).await;
    let (one, other) = (events[0].metadata().unwrap(), events[1].metadata().unwrap());
    assert_eq!(one, other, "every event of the command carries it");
    one
}

fn trace() -> TraceContext {
    TraceContext {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        tracestate: Some("congo=t61rcWkgMzE".to_owned()),
    }
}

#[tokio::test]
async fn a_command_is_its_own_cause_and_correlation_where_nothing_led_to_it() {
    let command = CommandId::new();
    let metadata = metadata(Context::new().command_id(command)).await;
    assert_eq!(metadata.command_id, Some(command));
    assert_eq!(metadata.correlation_id, Some(command.into()));
    assert_eq!(metadata.causation_id, Some(command.into()));
    assert!(metadata.append_id.is_some(), "set by the store");
}

#[tokio::test]
async fn a_command_without_an_id_is_given_one() {
    let (one, other) = (metadata(Context::new()).await, metadata(Context::new()).await);
    assert!(one.command_id.is_some());
    assert_ne!(one.command_id, other.command_id);
}

#[tokio::test]
async fn everything_that_was_said_is_in_the_events() {
    let (command, correlation) = (CommandId::new(), CorrelationId::new());
    let context = Context::new()
        .command_id(command)
        .correlation_id(correlation)
        .source("/bank/teller")
        .actor("teller-7")
        .reason("monthly interest")
        .tenant("branch-3")
        .trace(trace())
        .tag("vip")
        .tag("retail")
        .data_subject("person-1")
        .key_id("key-1")
        .header("ip", "::1")
        .header("channel", "desk");
    let mut expected = Metadata::default();
    expected.command_id = Some(command);
    expected.correlation_id = Some(correlation);
    expected.causation_id = Some(command.into());
    expected.source = Some("/bank/teller".to_owned());
    expected.actor = Some("teller-7".to_owned());
    expected.reason = Some("monthly interest".to_owned());
    expected.tenant = Some("branch-3".to_owned());
    expected.trace = Some(trace());
    expected.tags = vec!["vip".to_owned(), "retail".to_owned()];
    expected.data_subjects = vec!["person-1".to_owned()];
    expected.key_id = Some("key-1".to_owned());
    expected.headers = [("ip", "::1"), ("channel", "desk")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    let mut found = metadata(context).await;
    found.append_id = None;
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_occurred_time_is_that_of_every_event() {
    let time: Timestamp = "1997-01-31T10:00:00Z".parse().unwrap();
    let events = written(Context::new().occurred_at(time)).await;
    assert!(events.iter().all(|event| event.occurred_at == Some(time)));
    assert!(written(Context::new()).await.iter().all(|event| event.occurred_at.is_none()));
}

#[tokio::test]
async fn what_an_event_causes_is_tied_to_it() {
    let correlation = CorrelationId::new();
    let context = Context::new().correlation_id(correlation).tenant("branch-3").trace(trace()).actor("teller-7");
    let cause = written(context).await.remove(1);
    let found = metadata(Context::new().caused_by(&cause)).await;
    assert_eq!(found.causation_id, Some(CausationId::from(cause.id)));
    assert_eq!(found.correlation_id, Some(correlation));
    assert_eq!((found.tenant, found.trace), (Some("branch-3".to_owned()), Some(trace())));
    assert_eq!(found.actor, None, "who asked for the cause did not ask for this");
}

#[tokio::test]
async fn what_is_said_goes_before_what_flows_from_the_cause() {
    let cause = written(Context::new().tenant("branch-3")).await.remove(0);
    let correlation = CorrelationId::new();
    let context = Context::new().correlation_id(correlation).tenant("branch-9").caused_by(&cause);
    let found = metadata(context).await;
    assert_eq!((found.correlation_id, found.tenant.as_deref()), (Some(correlation), Some("branch-9")));
    assert_eq!(found.causation_id, Some(cause.id.into()));
}

#[tokio::test]
async fn a_chain_of_causes_keeps_one_correlation() {
    let counters = crate::repository::<Counter>(InMemoryEventStore::new());
    let first = CommandId::new();
    counters.execute_with(&id(), Add(1), Context::new().command_id(first)).await.unwrap();
    for _ in 0..3 {
        let cause = counters.history(&id()).await.unwrap().pop().unwrap();
        counters.execute_with(&id(), Add(1), Context::new().caused_by(&cause)).await.unwrap();
        let effect = counters.history(&id()).await.unwrap().pop().unwrap().metadata().unwrap();
        assert_eq!((effect.correlation_id, effect.causation_id), (Some(first.into()), Some(cause.id.into())));
    }
}
