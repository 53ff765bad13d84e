use std::sync::atomic::{AtomicBool, Ordering};

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{
    Append, AppendError, EventQuery, EventStore, EventType, ExecuteError, ExpectedVersion, Filter, GlobalPosition,
    ListStreams, NewEvent, Payload, QueryItem, ReadAll, ReadModel, ReadModelError, ReadStream, Repository, StoreError,
    StoreId, StreamName, Version,
};

use super::*;
use crate::sample::{Account, AccountId, Deposit, Open};

type Store = FaultyEventStore<InMemoryEventStore>;

fn stream() -> StreamName {
    StreamName::new("account-1").unwrap()
}

fn event() -> NewEvent {
    NewEvent::raw(stream(), EventType::new("account.closed.v1").unwrap(), Payload::from_bytes("null"))
}

fn append() -> Append {
    Append::new(vec![event()])
}

async fn events(store: &Store) -> usize {
    store.inner.read_stream(ReadStream::new(stream())).await.unwrap().events.len()
}

#[tokio::test]
async fn a_fault_before_an_append_writes_nothing() {
    let store = Store::default();
    store.faults.next("append", [Fault::Before, Fault::Permanent]);
    assert!(matches!(store.append(append()).await, Err(AppendError::Transient(_))));
    assert!(matches!(store.append(append()).await, Err(AppendError::Permanent(_))));
    assert_eq!(events(&store).await, 0);
    store.append(append()).await.unwrap();
    assert_eq!((events(&store).await, store.faults.calls("append")), (1, 3));
}

#[tokio::test]
async fn an_append_whose_answer_is_lost_is_unknown_and_can_be_found_out() {
    let store = Store::default();
    store.faults.next("append", [Fault::After]);
    let append = append();
    let Err(AppendError::Unknown { event_ids, .. }) = store.append(append.clone()).await else { panic!() };
    assert_eq!(event_ids, append.event_ids());
    let written = store.outcome(&event_ids).await.unwrap().unwrap();
    assert_eq!(written.position, store.append(append).await.unwrap().position);
    assert_eq!(events(&store).await, 1);
}

#[tokio::test]
async fn an_append_that_is_refused_by_the_store_keeps_its_error_when_the_answer_is_lost() {
    let store = Store::default();
    store.faults.next("append", [Fault::After]);
    let refused = store.append(append().expect(stream(), ExpectedVersion::Exact(Version::FIRST))).await;
    assert!(matches!(refused, Err(AppendError::Conflict { actual: None, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_conflict_tells_what_the_stream_is_at() {
    let store = Store::default();
    store.append(append()).await.unwrap();
    store.faults.next("append", [Fault::Conflict, Fault::Conflict]);
    let exact = ExpectedVersion::Exact(Version::FIRST);
    for (append, wanted) in [(append().expect(stream(), exact), exact), (append(), ExpectedVersion::Any)] {
        let Err(AppendError::Conflict { stream: of, expected, actual }) = store.append(append).await else { panic!() };
        assert_eq!((of, expected, actual), (stream(), wanted, Some(Version::FIRST)));
    }
    let query = EventQuery::from(QueryItem::new().tag("seat:7"));
    store.faults.next("append", [Fault::Conflict]);
    let Err(AppendError::Matched { query: of, position }) =
        store.append(append().expect_none_matching(query.clone(), GlobalPosition::new(1))).await
    else {
        panic!()
    };
    assert_eq!((of, position), (query, GlobalPosition::new(2)));
    assert_eq!(events(&store).await, 1);
}

#[tokio::test]
async fn a_repository_gets_over_a_conflict_and_reports_an_unknown_outcome() {
    let store = Store::default();
    let accounts = Repository::<Account>::new(store.clone());
    let id = AccountId::new("1");
    store.faults.next("append", [Fault::Conflict, Fault::Conflict]);
    accounts.execute(&id, Open { owner: "Ann".to_owned() }).await.unwrap();
    store.faults.next("append", [Fault::After]);
    let unknown = accounts.execute(&id, Deposit::new(5, "VND")).await;
    assert!(matches!(unknown, Err(ExecuteError::Unknown { .. })), "{unknown:?}");
    assert_eq!(accounts.load(&id).await.unwrap().unwrap().state.balance(), 5);
}

#[tokio::test]
async fn each_read_has_faults_of_its_own() {
    let store = Store::default();
    store.append(append()).await.unwrap();
    let all = || ReadAll::after(GlobalPosition::START);
    for call in Store::READS.iter().filter(|call| **call != "page") {
        store.faults.next(call, [Fault::Before, Fault::Permanent, Fault::After]);
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            outcomes.push(match *call {
                "read_stream" => store.read_stream(ReadStream::new(stream())).await.map(drop),
                "read_all" => store.read_all(all()).await.map(drop),
                "list_streams" => store.list_streams(ListStreams::new("account".parse().unwrap())).await.map(drop),
                "head" => store.head().await.map(drop),
                "subscribe" => store.subscribe(GlobalPosition::START, Filter::All).await.map(drop),
                other => panic!("{other} is not tried"),
            });
        }
        let as_told = matches!(
            outcomes[..],
            [Err(StoreError::Transient(_)), Err(StoreError::Permanent(_)), Err(StoreError::Transient(_)), Ok(())]
        );
        assert!(as_told, "{call}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_subscription_has_faults_of_its_own_and_loses_nothing_by_them() {
    let store = Store::default().page(1);
    for _ in 0..3 {
        store.append(append()).await.unwrap();
    }
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    store.faults.next("page", [Fault::Before, Fault::None, Fault::After]);
    let (mut seen, mut failed) = (Vec::new(), 0);
    while seen.len() < 3 {
        match subscription.next().await {
            Ok(page) => seen.extend(page.events.iter().map(|event| event.position.get())),
            Err(_) => failed += 1,
        }
    }
    assert_eq!((seen, failed), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn a_subscription_is_woken_by_an_append() {
    let store = Store::default();
    let mut subscription = store.subscribe(GlobalPosition::START, Filter::All).await.unwrap();
    let (page, appended) = tokio::join!(subscription.next(), store.append(append()));
    assert_eq!(page.unwrap().scanned_to, appended.unwrap().position);
}

#[tokio::test]
async fn what_happens_always_ends_when_it_is_healed() {
    let store = Store::default();
    store.faults.always("head", Fault::Before);
    store.faults.next("head", [Fault::None]);
    store.head().await.unwrap();
    assert!(store.head().await.is_err() && store.head().await.is_err());
    store.faults.heal();
    store.head().await.unwrap();
}

#[tokio::test]
async fn whichever_call_comes_first_has_the_fault() {
    let store = Store::default();
    store.faults.any(Store::READS, [Fault::Before, Fault::None, Fault::Permanent]);
    store.append(append()).await.unwrap();
    assert!(store.head().await.is_err());
    store.read_stream(ReadStream::new(stream())).await.unwrap();
    assert!(store.read_all(ReadAll::after(GlobalPosition::START)).await.is_err());
    store.head().await.unwrap();
}

#[tokio::test]
async fn a_gate_holds_calls_back_until_it_is_dropped() {
    let store = Store::default();
    let (gate, done) = (store.faults.gate("append"), AtomicBool::new(false));
    let write = async {
        store.append(append()).await.unwrap();
        done.store(true, Ordering::SeqCst);
    };
    let watch = async {
        gate.reached().await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!((events(&store).await, done.load(Ordering::SeqCst)), (0, false));
        drop(gate);
    };
    tokio::join!(write, watch);
    assert_eq!((events(&store).await, done.load(Ordering::SeqCst)), (1, true));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "no call of \"append\" was made")]
async fn a_gate_that_nobody_reaches_fails_the_test() {
    Store::default().faults.gate("append").reached().await;
}

#[tokio::test]
async fn an_append_that_is_dropped_at_the_gate_writes_nothing() {
    let store = Store::default();
    let gate = store.faults.gate("append");
    let write = tokio::spawn({
        let store = store.clone();
        async move { store.append(append()).await.map(drop) }
    });
    gate.reached().await;
    write.abort();
    assert!(write.await.unwrap_err().is_cancelled());
    drop(gate);
    assert_eq!(events(&store).await, 0);
}

#[test]
#[should_panic(expected = "there is no call \"apend\", only append, outcome, read_stream")]
fn a_call_that_there_is_not_is_refused() {
    Store::default().faults.next("apend", [Fault::Before]);
}

#[tokio::test]
async fn a_restored_store_says_that_it_is_the_other_one() {
    let (lost, restored) = (StoreId::new(), Store::default());
    assert_ne!(restored.head().await.unwrap().store_id, lost);
    assert_eq!(restored.restored(lost).head().await.unwrap().store_id, lost);
}

mod read_model {
    use cqrs_core::{Batch, Checkpoint, DocumentWrite, FencingToken, Generation, Partitions, StoreId, Target};

    use super::*;

    type Sink = FaultyReadModel<InMemoryReadModel>;

    fn target() -> Target {
        Target { projection: "accounts".parse().unwrap(), generation: Generation::FIRST, partition: 0 }
    }

    async fn opened() -> Sink {
        let sink = Sink::default();
        sink.open(&target().projection, Partitions::ONE).await.unwrap();
        sink.fence(&target(), FencingToken::new(1)).await.unwrap();
        sink
    }

    /// The documents `a`, `b` and `c`, of the first event.
    fn batch() -> Batch {
        let position = GlobalPosition::new(1);
        let write =
            |key: &str| DocumentWrite { key: key.to_owned(), document: Some(Payload::from_bytes("1")), position };
        let checkpoint = Checkpoint {
            store_id: StoreId::new(),
            position,
            event_id: None,
            generation: Generation::FIRST,
            token: FencingToken::new(1),
        };
        Batch { from: GlobalPosition::START, documents: ["a", "b", "c"].map(write).into(), checkpoint }
    }

    async fn documents(sink: &Sink) -> usize {
        let keys = ["a", "b", "c"].map(str::to_owned);
        sink.inner().load(&target(), &keys).await.unwrap().into_iter().flatten().count()
    }

    #[tokio::test]
    async fn a_batch_is_written_as_far_as_its_fault_says() {
        for (fault, left) in [(Fault::Before, 0), (Fault::Permanent, 0), (Fault::After, 3), (Fault::None, 3)] {
            let sink = opened().await;
            sink.faults.next("apply", [fault]);
            let applied = sink.apply(&target(), batch()).await;
            assert_eq!((applied.is_ok(), documents(&sink).await), (fault == Fault::None, left), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_batch_that_is_torn_leaves_the_checkpoint_and_may_come_again() {
        let (sink, batch) = (opened().await, batch());
        sink.faults.next("apply", [Fault::Torn]);
        assert!(sink.apply(&target(), batch.clone()).await.unwrap_err().is_transient());
        assert!((1..3).contains(&documents(&sink).await));
        let (_, checkpoint) = sink.inner().checkpoint(&target()).await.unwrap();
        assert!(checkpoint.is_none_or(|checkpoint| checkpoint.position == GlobalPosition::START), "{checkpoint:?}");
        sink.apply(&target(), batch).await.unwrap();
        assert_eq!(documents(&sink).await, 3);
    }

    #[tokio::test]
    async fn documents_of_a_kind_are_refused_until_all_are_taken() {
        let sink = opened().await;
        sink.refuse(|write| write.key == "b");
        let refused = sink.apply(&target(), batch()).await;
        assert!(matches!(&refused, Err(ReadModelError::Rejected { key, .. }) if key == "b"), "{refused:?}");
        sink.take_all();
        sink.apply(&target(), batch()).await.unwrap();
    }

    #[tokio::test]
    async fn another_connection_has_the_same_documents_and_faults_of_its_own() {
        let sink = opened().await;
        let other = sink.elsewhere();
        sink.faults.always("load", Fault::Before);
        other.apply(&target(), batch()).await.unwrap();
        assert_eq!(documents(&sink).await, 3);
        assert!(sink.load(&target(), &[]).await.is_err() && other.load(&target(), &[]).await.is_ok());
        other.lose_all();
        assert_eq!(sink.live(&target().projection).await.unwrap(), None);
    }
}
