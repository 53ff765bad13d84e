//! Queries, through the same layers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cqrs_core::in_memory::InMemoryReadModel;
use cqrs_core::middleware::{Kind, Refusal, Request, authorise, retry, timeout};
use cqrs_core::{
    Batch, BusError, Checkpoint, Context, DocumentWrite, Documents, EventId, Failure, FencingToken, Find,
    GlobalPosition, InvalidBus, Partitions, Payload, ProjectionName, Query, QueryBus, QueryHandler, ReadModel,
    ReadModelError, StoreId, Target,
};

use super::attempts::at_once;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Summary {
    balance: i64,
}

#[derive(Clone)]
struct Richest {
    page: usize,
}

impl Query for Richest {
    type Answer = Vec<String>;
    type Error = ReadModelError;

    fn validate(&self) -> Result<(), Refusal> {
        if self.page > 0 { Ok(()) } else { Err(Refusal::invalid("pages count from 1")) }
    }

    fn is_transient(error: &ReadModelError) -> bool {
        error.is_transient()
    }
}

async fn richest(query: Richest, context: Context) -> Result<Vec<String>, ReadModelError> {
    let _ = context;
    Ok(vec![format!("page {}", query.page)])
}

#[tokio::test]
async fn a_query_is_answered_with_the_type_that_it_says() {
    let bus = QueryBus::builder().handler(richest).build().unwrap();
    assert_eq!(bus.ask(Richest { page: 2 }, Context::new()).await.unwrap(), ["page 2"]);
}

#[tokio::test]
async fn a_missing_document_is_none_and_no_error() {
    let summaries = Documents::<Summary>::new(InMemoryReadModel::new(), "account-summary").unwrap();
    let bus = QueryBus::builder().handler(summaries).build().unwrap();
    assert_eq!(bus.ask(Find::<Summary>::by_key("ACC-001"), Context::new()).await.unwrap(), None);
}

#[tokio::test]
async fn a_document_is_found_by_its_key() {
    let model = InMemoryReadModel::new();
    let projection = ProjectionName::new("account-summary").unwrap();
    let generation = model.open(&projection, Partitions::ONE).await.unwrap();
    let position = GlobalPosition::new(1);
    let checkpoint = Checkpoint {
        store_id: StoreId::new(),
        position,
        event_id: Some(EventId::new()),
        generation,
        token: FencingToken::new(1),
    };
    let document = Some(Payload::encode(&Summary { balance: 5 }).unwrap());
    let documents = vec![DocumentWrite { key: "ACC-001".to_owned(), document, position }];
    let batch = Batch { from: GlobalPosition::START, documents, checkpoint };
    model.apply(&Target { projection, generation, partition: 0 }, batch).await.unwrap();
    let summaries = Documents::<Summary>::new(model, "account-summary").unwrap();
    let bus = QueryBus::builder().handler(summaries).handler(richest).build().unwrap();
    let find = |key: &str| bus.ask(Find::<Summary>::by_key(key), Context::new());
    assert_eq!(find("ACC-001").await.unwrap(), Some(Summary { balance: 5 }));
    assert_eq!(find("ACC-002").await.unwrap(), None);
}

#[tokio::test]
async fn a_query_is_refused_by_itself_by_a_hook_and_without_a_handler() {
    let hook = authorise(async |request: Request| match (request.kind(), request.actor()) {
        (Kind::Query, Some("teller")) => Ok(request),
        _ => Err(Refusal::forbidden("tellers only")),
    });
    let bus = QueryBus::builder().handler(richest).layer_for::<Richest, _>(hook).build().unwrap();
    let teller = || Context::new().actor("teller");
    bus.ask(Richest { page: 1 }, teller()).await.unwrap();
    let error = bus.ask(Richest { page: 0 }, teller()).await.unwrap_err();
    assert!(matches!(error, BusError::Refused(Refusal::Invalid { .. })), "{error:?}");
    let error = bus.ask(Richest { page: 1 }, Context::new()).await.unwrap_err();
    assert!(matches!(error, BusError::Refused(Refusal::Forbidden { .. })), "{error:?}");
    let error = bus.ask(Find::<Summary>::by_key("ACC-001"), teller()).await.unwrap_err();
    assert!(matches!(error, BusError::Refused(Refusal::Unregistered { .. })), "{error:?}");
}

#[test]
fn a_bus_with_two_handlers_of_one_query_is_refused() {
    let twice = QueryBus::builder().handler(richest).handler(richest).build();
    assert_eq!(twice.unwrap_err(), InvalidBus::RegisteredTwice { name: "Richest" });
}

/// Fails so often before it answers.
struct Flaky {
    failures: usize,
    asked: Arc<AtomicUsize>,
    transient: bool,
}

impl QueryHandler<Richest> for Flaky {
    async fn answer(&self, _: Richest, _: Context) -> Result<Vec<String>, ReadModelError> {
        let failure = Failure::new("down for a moment");
        match self.asked.fetch_add(1, Ordering::SeqCst) < self.failures {
            true if self.transient => Err(ReadModelError::Transient(failure)),
            true => Err(ReadModelError::Permanent(failure)),
            false => Ok(vec![]),
        }
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_nothing_else() {
    for (failures, transient, asked, answered) in [(2, true, 3, true), (9, true, 3, false), (1, false, 1, false)] {
        let count = Arc::new(AtomicUsize::new(0));
        let flaky = Flaky { failures, asked: Arc::clone(&count), transient };
        let bus = QueryBus::builder().handler(flaky).layer(retry(2, at_once())).build().unwrap();
        let answer = bus.ask(Richest { page: 1 }, Context::new()).await;
        assert_eq!(answer.is_ok(), answered);
        assert!(matches!(answer, Ok(_) | Err(BusError::Handler(_))), "{answer:?}");
        assert_eq!(count.load(Ordering::SeqCst), asked);
    }
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_given_up() {
    let never = |_: Richest, _: Context| std::future::pending();
    let bus = QueryBus::builder().handler(never).layer(timeout(Duration::from_millis(1))).build().unwrap();
    let error = bus.ask(Richest { page: 1 }, Context::new()).await.unwrap_err();
    assert!(matches!(error, BusError::TimedOut), "{error:?}");
}
