use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::in_memory::{InMemoryCheckpointStore, InMemoryEventStore, InMemoryLeaseStore};
use cqrs_core::{CheckpointStore, EventId, EventStore, Failure, GlobalPosition, ReadAll, Recorded, StoreError};
use cqrs_projections::{
    ProjectionError, ProjectionState, ReactError, Reactions, Reactor, RunningReactions, StartError, StopReason,
    WaitError,
};
use proptest::prelude::*;
use tokio::sync::watch;

use crate::faulty::{Fault, FaultyStore};
use crate::ledger::{LONG, LedgerEvent, append, append_some, noise, paid, quick, until};

const NAME: &str = "letters";

/// Writes a letter for each event. Clones share what was written.
#[derive(Clone)]
struct Letters {
    written: Arc<Mutex<Vec<(GlobalPosition, EventId)>>>,
    /// How the next attempts end.
    errors: Arc<Mutex<VecDeque<Option<ReactError>>>>,
    /// Letters are begun, and finished only when this allows it.
    begun: watch::Sender<usize>,
    allowed: watch::Sender<bool>,
}

impl Letters {
    fn new() -> Self {
        let (begun, allowed) = (watch::Sender::new(0), watch::Sender::new(true));
        Self { written: Arc::default(), errors: Arc::default(), begun, allowed }
    }

    fn written(&self) -> Vec<GlobalPosition> {
        self.written.lock().unwrap().iter().map(|(position, _)| *position).collect()
    }

    fn fail_with(&self, errors: impl IntoIterator<Item = Option<ReactError>>) {
        self.errors.lock().unwrap().extend(errors);
    }
}

#[async_trait]
impl Reactor for Letters {
    type Event = LedgerEvent;

    async fn react(&self, event: &Recorded<LedgerEvent>) -> Result<(), ReactError> {
        self.begun.send_modify(|begun| *begun += 1);
        let _ = self.allowed.subscribe().wait_for(|allowed| *allowed).await;
        if matches!(&event.event, LedgerEvent::Paid { amount: 666, .. }) {
            #[allow(clippy::panic, reason = "it panics")]
            {
                panic!("unlucky");
            }
        }
        let error = self.errors.lock().unwrap().pop_front().flatten();
        self.written.lock().unwrap().push((event.position, event.id));
        error.map_or(Ok(()), Err)
    }
}

fn transient() -> Option<ReactError> {
    Some(ReactError::Transient(Failure::new("the post office is closed")))
}

fn permanent() -> Option<ReactError> {
    Some(ReactError::Permanent(Failure::new("no such address")))
}

async fn start(store: &FaultyStore, checkpoints: &InMemoryCheckpointStore, letters: &Letters) -> RunningReactions {
    let reactions = Reactions::new(store.clone(), checkpoints.clone()).add_from_beginning(NAME, letters.clone());
    reactions.error_policy(quick()).start().await.unwrap()
}

/// The positions of the events that are for the reactor.
async fn wanted(store: &FaultyStore) -> Vec<GlobalPosition> {
    let page = store.inner.read_all(ReadAll::after(GlobalPosition::START).limit(10_000)).await.unwrap();
    let wanted = page.events.iter().filter(|event| event.stream.category() == "ledger");
    wanted.map(|event| event.position).collect()
}

fn given() -> (FaultyStore, InMemoryCheckpointStore, Letters) {
    (FaultyStore::default(), InMemoryCheckpointStore::new(), Letters::new())
}

#[tokio::test]
async fn a_reactor_begins_at_the_end_unless_told_otherwise() {
    let (store, checkpoints, all) = given();
    let new = Letters::new();
    append_some(&store, 0..5).await;
    let before = wanted(&store).await.len();
    let reactions = Reactions::new(store.clone(), checkpoints.clone());
    let reactions = reactions.add("new", new.clone()).add_from_beginning("all", all.clone());
    let running = reactions.start().await.unwrap();
    let position = append_some(&store, 5..8).await;
    running.wait_for(position, LONG).await.unwrap();
    let wanted = wanted(&store).await;
    assert_eq!((all.written(), new.written()), (wanted.clone(), wanted[before..].to_vec()));
    let status = running.status().await;
    assert_eq!(status.iter().map(|one| one.events as usize).collect::<Vec<_>>(), [wanted.len() - before, wanted.len()]);
    assert!(status.iter().all(|one| one.lag == Some(0) && one.state == ProjectionState::Live), "{status:?}");
    running.stop().await;

    // What was appended meanwhile is not the past of a reactor that has a checkpoint.
    let position = append_some(&store, 8..10).await;
    let running = Reactions::new(store.clone(), checkpoints).add("new", new.clone()).start().await.unwrap();
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(new.written(), self::wanted(&store).await[before..]);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_event_and_in_order() {
    let (store, checkpoints, letters) = given();
    letters.fail_with([None, transient(), transient(), None, transient()]);
    let running = start(&store, &checkpoints, &letters).await;
    let position = append(&store, vec![paid("a", 1), paid("b", 2), paid("c", 3)]).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(letters.written().iter().map(|at| at.get()).collect::<Vec<_>>(), [1, 2, 2, 2, 3, 3]);
    let ids: Vec<_> = letters.written.lock().unwrap().iter().map(|(_, id)| *id).collect();
    assert!(ids[1] == ids[2] && ids[2] == ids[3] && ids[0] != ids[1] && ids[4] == ids[5], "{ids:?}");
    assert!(matches!(running.status().await[0].error, Some(ProjectionError::React { .. })));
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_stops_its_reactor_before_it_and_no_other() {
    let (store, checkpoints, letters) = given();
    let other = Letters::new();
    letters.fail_with([None, permanent()]);
    let reactions = Reactions::new(store.clone(), checkpoints.clone());
    let reactions = reactions.add_from_beginning(NAME, letters.clone()).add_from_beginning("other", other.clone());
    let running = reactions.start().await.unwrap();
    let position = append(&store, vec![paid("a", 1), paid("b", 666), paid("c", 3)]).await;
    let stopped = running.wait_for(position, LONG).await;
    let Err(WaitError::Stopped { at, source: Some(ProjectionError::React { source, .. }), .. }) = stopped else {
        panic!("{stopped:?}")
    };
    assert_eq!(at, GlobalPosition::new(1));
    assert!(matches!(source, ReactError::Permanent(_)), "{source:?}");
    until("both have stopped, the other one by its panic", || async {
        running.status().await.iter().all(|one| one.state == ProjectionState::Stopped(StopReason::Failed))
    })
    .await;
    let error = running.status().await.swap_remove(1).error.unwrap();
    assert!(format!("{error:?}").contains("unlucky"), "{error:?}");
    assert_eq!(checkpoints.load(&NAME.parse().unwrap()).await.unwrap().unwrap().position, GlobalPosition::new(1));
    drop(running);
    let letters = Letters::new();
    append(&store, vec![paid("d", 1)]).await;
    let running = Reactions::new(store, checkpoints).add(NAME, letters.clone()).start().await.unwrap();
    assert!(running.wait_for(position, LONG).await.is_err(), "the event is still there");
}

async fn live_through(crashes: Vec<(u8, u8)>, faults: Vec<bool>) {
    let (store, checkpoints, letters) = given();
    letters.fail_with(faults.into_iter().map(|fails| if fails { transient() } else { None }));
    let mut running = start(&store, &checkpoints, &letters).await;
    for (seed, turns) in crashes {
        append_some(&store, u64::from(seed)..u64::from(seed) + 2).await;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        drop(running);
        running = start(&store, &checkpoints, &letters).await;
    }
    running.wait_for(store.head().await.unwrap().position, LONG).await.unwrap();
    let mut written = letters.written();
    assert!(written.windows(2).all(|pair| pair[0] <= pair[1]), "in order, again only what came last: {written:?}");
    written.dedup();
    assert_eq!(written, wanted(&store).await, "each at least once");
}

proptest! {
    #[test]
    fn whatever_happens_each_event_is_reacted_to_in_order(
        crashes in proptest::collection::vec((0..100_u8, 0..60_u8), 1..8),
        faults in proptest::collection::vec(any::<bool>(), 0..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(live_through(crashes, faults));
    }
}

#[tokio::test]
async fn stopping_finishes_the_event_and_stores_it() {
    let (store, checkpoints, letters) = given();
    letters.allowed.send_replace(false);
    let running = start(&store, &checkpoints, &letters).await;
    append(&store, vec![paid("a", 1), paid("b", 2)]).await;
    letters.begun.subscribe().wait_for(|begun| *begun == 1).await.unwrap();
    let allow = letters.allowed.clone();
    tokio::join!(running.stop(), async move {
        tokio::task::yield_now().await;
        allow.send_replace(true);
    });
    assert_eq!(letters.written(), [GlobalPosition::new(1)]);
    let running = start(&store, &checkpoints, &letters).await;
    running.wait_for(GlobalPosition::new(2), LONG).await.unwrap();
    assert_eq!(letters.written().len(), 2, "nothing came again");
}

#[tokio::test]
async fn a_process_that_was_replaced_moves_the_checkpoint_no_more() {
    let (store, checkpoints, letters) = given();
    let first = start(&store, &checkpoints, &letters).await;
    let newer = Letters::new();
    let second = start(&store, &checkpoints, &newer).await;
    let position = append(&store, vec![paid("a", 1)]).await;
    second.wait_for(position, LONG).await.unwrap();
    let stopped = first.wait_for(position.next(), LONG).await;
    assert!(
        matches!(
            stopped,
            Err(WaitError::Stopped { source: Some(ProjectionError::Store(StoreError::Fenced { .. })), .. })
        ),
        "{stopped:?}"
    );
    let position = append(&store, vec![paid("a", 1)]).await;
    second.wait_for(position, LONG).await.unwrap();
    assert_eq!((letters.written().len(), newer.written().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn with_leases_one_process_at_a_time_reacts() {
    let (store, checkpoints, _) = given();
    let leases = InMemoryLeaseStore::new();
    let process = async |letters: &Letters| {
        let reactions = Reactions::new(store.clone(), checkpoints.clone()).add_from_beginning(NAME, letters.clone());
        let reactions = reactions.leases(leases.clone()).lease_time(Duration::from_secs(10));
        reactions.error_policy(quick()).start().await.unwrap()
    };
    let (one, two, three) = (Letters::new(), Letters::new(), Letters::new());
    let first = process(&one).await;
    let second = process(&two).await;
    let third = process(&three).await;
    let position = append_some(&store, 0..5).await;
    first.wait_for(position, LONG).await.unwrap();
    let all = wanted(&store).await.len();
    assert_eq!((one.written().len(), two.written().len(), three.written().len()), (all, 0, 0));
    assert_eq!(second.status().await[0].state, ProjectionState::Waiting);

    first.stop().await;
    let position = append_some(&store, 5..9).await;
    let wait = async || wanted(&store).await.len() == one.written().len() + two.written().len() + three.written().len();
    let begun = tokio::time::Instant::now();
    while !wait().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "what was given back is taken at once: {:?}", begun.elapsed());

    // The one that has it dies.
    let (dies, lives, left) = if two.written().is_empty() { (third, second, &two) } else { (second, third, &three) };
    drop(dies);
    let position = append_some(&store, 9..12).await.max(position);
    let begun = tokio::time::Instant::now();
    lives.wait_for(position, LONG).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(!left.written().is_empty());
    let mut written: Vec<_> = [one.written(), two.written(), three.written()].concat();
    written.sort_unstable();
    assert_eq!(written, wanted(&store).await, "each once, as nobody was cut off in the middle");
}

#[tokio::test]
async fn a_checkpoint_of_another_store_is_found() {
    let (store, checkpoints, letters) = given();
    let running = start(&store, &checkpoints, &letters).await;
    let position = append_some(&store, 0..5).await;
    running.wait_for(position, LONG).await.unwrap();
    running.stop().await;
    let other = FaultyStore::default();
    append_some(&other, 0..50).await;
    let letters = Letters::new();
    let running = start(&other, &checkpoints, &letters).await;
    let status = running.status().await.swap_remove(0);
    assert_eq!(status.state, ProjectionState::Stopped(StopReason::Failed));
    assert!(matches!(status.error, Some(ProjectionError::ForeignStore { .. })), "{status:?}");
    assert!(letters.written().is_empty());
}

#[tokio::test]
async fn what_is_for_others_is_passed_over_and_the_checkpoint_follows() {
    let (store, checkpoints, letters) = given();
    let running = start(&store, &checkpoints, &letters).await;
    append(&store, vec![paid("a", 1)]).await;
    let mut position = GlobalPosition::START;
    for _ in 0..12 {
        position = append(&store, (0..1_000).map(|_| noise()).collect()).await;
    }
    running.wait_for(position, LONG).await.unwrap();
    let stored = checkpoints.load(&NAME.parse().unwrap()).await.unwrap().unwrap();
    assert!(stored.position.get() > 10_000, "{stored:?}");
}

#[tokio::test]
async fn a_store_that_fails_is_asked_again() {
    let (store, checkpoints, letters) = given();
    store.faults.next("head", [Fault::Before, Fault::None, Fault::Before]);
    store.faults.next("page", [Fault::None, Fault::Before, Fault::After]);
    store.faults.next("subscribe", [Fault::Before]);
    let running = start(&store, &checkpoints, &letters).await;
    let position = append_some(&store, 0..5).await;
    running.wait_for(position, LONG).await.unwrap();
    assert_eq!(letters.written(), wanted(&store).await);
}

#[tokio::test]
async fn names_are_checked_before_anything_runs() {
    let (store, checkpoints, letters) = (InMemoryEventStore::new(), InMemoryCheckpointStore::new(), Letters::new());
    let reactions = || Reactions::new(store.clone(), checkpoints.clone());
    let twice = reactions().add("one", letters.clone()).add("one", letters.clone()).start().await;
    assert!(matches!(twice, Err(StartError::DuplicateName { .. })), "{twice:?}");
    let unnamed = reactions().add("", letters.clone()).start().await;
    assert!(matches!(unnamed, Err(StartError::InvalidName(_))), "{unnamed:?}");
}
