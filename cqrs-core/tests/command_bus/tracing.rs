//! The span of a message.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::middleware::{retry, trace};
use cqrs_core::{CommandBus, CommandId, Context, CorrelationId, Documents, Find, QueryBus, Repository};
use cqrs_testkit::sample::{Account, Open, Withdraw};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::attempts::at_once;
use super::dispatching::{id, open};
use super::stalling_store::{Fault, StallingStore};

/// The fields of each span, under its name.
type Spans = Arc<Mutex<BTreeMap<u64, (&'static str, BTreeMap<&'static str, String>)>>>;

#[derive(Default)]
struct Recorder {
    spans: Spans,
    next: AtomicU64,
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("cqrs_core::middleware")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        self.spans.lock().unwrap().insert(id, (span.metadata().name(), fields));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        if let Some((_, fields)) = self.spans.lock().unwrap().get_mut(&span.into_u64()) {
            values.record(&mut Fields(fields));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The spans of what is done.
fn recorded(work: impl Future<Output = ()>) -> Vec<(&'static str, BTreeMap<&'static str, String>)> {
    let recorder = Recorder::default();
    let spans = Arc::clone(&recorder.spans);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    tracing::subscriber::with_default(recorder, || runtime.block_on(work));
    std::mem::take(&mut *spans.lock().unwrap()).into_values().collect()
}

#[test]
fn a_command_has_a_span_with_its_name_its_aggregate_its_ids_and_its_outcome() {
    let (command, correlation) = (CommandId::new(), CorrelationId::new());
    let spans = recorded(async {
        let accounts = Repository::<Account>::new(InMemoryEventStore::new());
        let bus = CommandBus::builder().register::<Open>(&accounts).register::<Withdraw>(&accounts).layer(trace());
        let bus = bus.build().unwrap();
        let context = || Context::new().command_id(command).correlation_id(correlation);
        bus.dispatch(&id(), open(), context()).await.unwrap();
        bus.dispatch(&id(), open(), context()).await.unwrap();
        bus.dispatch(&id(), Withdraw { amount: 5 }, Context::new()).await.unwrap_err();
    });
    let (name, opened) = &spans[0];
    let expected = [
        ("name", "Open"),
        ("aggregate", "account"),
        ("stream", "account-ACC-001"),
        ("command_id", &command.to_string()),
        ("correlation_id", &correlation.to_string()),
        ("outcome", "executed"),
        ("events", "1"),
        ("version", "1"),
        ("position", "1"),
    ];
    let expected: BTreeMap<_, _> = expected.into_iter().map(|(field, value)| (field, value.to_owned())).collect();
    assert_eq!((*name, opened), ("command", &expected));
    assert_eq!(spans[1].1["outcome"], "repeated");
    let rejected = &spans[2].1;
    assert_eq!((rejected["name"].as_str(), rejected["outcome"].as_str()), ("Withdraw", "rejected"));
    assert!(!rejected.contains_key("error"), "the domain's reasons may speak of persons: {rejected:?}");
}

#[test]
fn a_failure_has_its_error_in_the_span_and_a_retry_is_one_span() {
    let spans = recorded(async {
        let store = StallingStore::default();
        let accounts = Repository::<Account>::new(store.clone());
        let bus = CommandBus::builder().register::<Open>(&accounts).layer(trace()).layer(retry(1, at_once()));
        store.plan([Fault::Away, Fault::Away]);
        bus.build().unwrap().dispatch(&id(), open(), Context::new()).await.unwrap_err();
    });
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].1["outcome"], "transient");
    assert_eq!(spans[0].1["error"], "the command could not be carried out now");
}

#[test]
fn a_query_has_a_span_of_its_own_kind() {
    let spans = recorded(async {
        let documents = Documents::<i64>::new(InMemoryReadModel::new(), "balances").unwrap();
        let bus = QueryBus::builder().handler(documents).layer(trace()).build().unwrap();
        bus.ask(Find::<i64>::by_key("ACC-001"), Context::new()).await.unwrap();
    });
    let (name, fields) = &spans[0];
    assert_eq!((*name, fields["outcome"].as_str()), ("query", "answered"));
    assert!(fields["name"].starts_with("Find<") && !fields.contains_key("stream"), "{fields:?}");
}
