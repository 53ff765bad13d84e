//! The queue over a store that does as it is told.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::*;
use crate::codec::Payload;
use crate::event_store::{EventStore, NewEvent};
use crate::id::EventId;
use crate::in_memory::InMemoryEventStore;
use crate::name::{EventType, StreamName};

/// Answers one attempt after the other as scripted, then writes.
#[derive(Clone, Default)]
struct Scripted(Arc<Script>);

#[derive(Default)]
struct Script {
    store: InMemoryEventStore,
    answers: Mutex<Vec<GroupError>>,
    /// How many appends each attempt that wrote had.
    groups: Mutex<Vec<usize>>,
    /// An attempt that sends its group waits for this first.
    stalled: Mutex<Option<Arc<Notify>>>,
}

#[async_trait]
impl GroupWriter for Scripted {
    async fn write(&mut self, group: &mut Group) -> Result<Vec<Outcome>, GroupError> {
        let answer = self.0.answers.lock().unwrap().pop();
        if let Some(GroupError::NotWritten(failure)) = answer {
            return Err(GroupError::NotWritten(failure));
        }
        let group = group.send();
        let stalled = self.0.stalled.lock().unwrap().clone();
        if let Some(stalled) = stalled {
            stalled.notified().await;
        }
        let poisoned = |queued: &Queued| queued.append().events[0].event_type.as_str() == "account.poisoned.v1";
        if group.iter().any(poisoned) {
            return Err(GroupError::Refused(Failure::new("poisoned")));
        }
        self.0.groups.lock().unwrap().push(group.len());
        let mut outcomes = Vec::new();
        for queued in group {
            outcomes.push(self.0.store.append(queued.append().clone()).await);
        }
        answer.map_or(Ok(outcomes), Err)
    }

    async fn find(&mut self, ids: &[EventId]) -> Result<Vec<(EventId, Option<Existing>)>, GroupError> {
        assert_eq!(self.0.store.outcome(ids).await.unwrap(), None, "only asked for what was not written");
        Ok(ids.iter().map(|id| (*id, None)).collect())
    }
}

impl Scripted {
    fn start(&self, bytes: u32, timeout: Duration) -> Arc<AppendQueue> {
        Arc::new(AppendQueue::start(self.clone(), bytes, timeout, Hint::new()))
    }

    async fn written(&self) -> u64 {
        self.0.store.head().await.unwrap().position.get()
    }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn append(event_type: &str) -> Append {
    let stream = StreamName::new("account-1").unwrap();
    let event_type = EventType::new(event_type).unwrap();
    Append::new(vec![NewEvent::raw(stream, event_type, Payload::from_bytes(&b"{}"[..]))])
}

fn opened() -> Append {
    append("account.opened.v1")
}

#[tokio::test]
async fn what_arrives_while_a_group_is_written_forms_the_next_group() {
    let writer = Scripted::default();
    let queue = writer.start(1 << 20, LONG);
    let appends: Vec<_> = (0..20).map(|_| queue.append(opened())).collect();
    let mut all = appends.into_iter().map(Box::pin).collect::<Vec<_>>();
    // All are queued before the writer's task has its first turn.
    std::future::poll_fn(|context| {
        all.iter_mut().for_each(|append| assert!(append.as_mut().poll(context).is_pending()));
        std::task::Poll::Ready(())
    })
    .await;
    for append in all {
        append.await.unwrap();
    }
    assert_eq!(*writer.0.groups.lock().unwrap(), [20]);
}

#[tokio::test]
async fn a_group_that_is_refused_is_halved_until_the_guilty_append_stands_alone() {
    let writer = Scripted::default();
    let queue = writer.start(1 << 20, LONG);
    let tasks: Vec<_> = (0..13)
        .map(|number| {
            let queue = Arc::clone(&queue);
            let append = append(if number == 7 { "account.poisoned.v1" } else { "account.opened.v1" });
            tokio::spawn(async move { queue.append(append).await })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        let outcome = task.await.unwrap();
        assert_eq!(matches!(outcome, Err(AppendError::Permanent(_))), number == 7, "{outcome:?}");
    }
    assert_eq!(writer.written().await, 12);
}

#[tokio::test]
async fn an_append_that_was_written_without_an_answer_is_found_by_its_event_ids() {
    let writer = Scripted::default();
    writer.0.answers.lock().unwrap().push(GroupError::NoAnswer(Failure::new("cut")));
    let appended = writer.start(1 << 20, LONG).append(opened()).await.unwrap();
    assert!(appended.repeated);
    assert_eq!(writer.written().await, 1);
}

#[tokio::test]
async fn an_append_that_was_never_sent_is_transient_and_never_written() {
    let writer = Scripted::default();
    *writer.0.answers.lock().unwrap() = vec![GroupError::NotWritten(Failure::new("away")); 1_000];
    let queue = writer.start(1 << 20, SHORT);
    let error = queue.append(opened()).await.unwrap_err();
    assert!(matches!(error, AppendError::Transient(_)), "{error:?}");
    writer.0.answers.lock().unwrap().clear();
    queue.append(opened()).await.unwrap();
    assert_eq!(writer.written().await, 1);
}

#[tokio::test]
async fn an_append_that_was_sent_and_not_answered_in_time_is_unknown() {
    let writer = Scripted::default();
    let stalled = Arc::new(Notify::new());
    *writer.0.stalled.lock().unwrap() = Some(Arc::clone(&stalled));
    let queue = writer.start(1 << 20, SHORT);
    let sent = queue.append(opened()).await.unwrap_err();
    assert!(matches!(sent, AppendError::Unknown { .. }), "{sent:?}");
    let behind = queue.append(opened()).await.unwrap_err();
    assert!(matches!(behind, AppendError::Transient(_)), "{behind:?}");
}

#[tokio::test]
async fn a_full_queue_holds_callers_back_until_their_time_is_up() {
    let writer = Scripted::default();
    *writer.0.stalled.lock().unwrap() = Some(Arc::new(Notify::new()));
    let queue = writer.start(1, SHORT);
    let (sent, held_back) = tokio::join!(queue.append(opened()), queue.append(opened()));
    assert!(matches!(sent, Err(AppendError::Unknown { .. })), "{sent:?}");
    let held_back = held_back.unwrap_err();
    assert!(format!("{held_back:?}").contains("queue is full"), "{held_back:?}");
}

#[tokio::test]
async fn a_caller_who_goes_away_before_the_append_is_sent_takes_it_back() {
    let writer = Scripted::default();
    let queue = writer.start(1 << 20, LONG);
    let mut going = Box::pin(queue.append(opened()));
    std::future::poll_fn(|context| {
        assert!(going.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(going);
    assert_eq!(queue.outcome(&[EventId::new()]).await.unwrap(), None);
    assert_eq!(writer.written().await, 0);
}
