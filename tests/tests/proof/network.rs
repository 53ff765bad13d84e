//! Connections that are cut, late or dead on the way.

use std::time::Duration;

use cqrs_core::{Append, AppendError, EventStore};
use cqrs_postgres::PgEventStore;
use cqrs_tests::database::{Database, append, log};
use cqrs_tests::proxy::{Direction, Proxy};
use cqrs_tests::wait::{until, within};

use super::witness::{Witness, head};

/// A store that is reached by way of a proxy, and one that is not.
async fn by_proxy(attempt: Duration, append: Duration) -> (Database, Proxy, PgEventStore, PgEventStore) {
    let database = Database::new();
    let direct = database.migrated().await;
    let proxy = Proxy::before_service(&database.url).await;
    let options = database.options_at(&proxy.url(&database.url)).poll(Duration::from_millis(50));
    let options = options.attempt_timeout(attempt).append_timeout(append).read_timeout(Duration::from_secs(1));
    let store = options.connect().await.unwrap();
    (database, proxy, store, direct)
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_at_any_byte_lose_double_and_falsely_acknowledge_nothing() {
    let (_database, proxy, store, direct) = by_proxy(LONG, LONG).await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let witness = Witness::start(&store, 8);
    witness.acknowledged(20).await;
    for _ in 0..80 {
        let direction = if random.bool() { Direction::ToClient } else { Direction::ToServer };
        // Mostly within the next messages, sometimes within a later one.
        let bytes = if random.u8(..4) == 0 { random.usize(..20_000) } else { random.usize(..1_500) };
        proxy.cut_after(direction, bytes);
        until("the connection is cut", || async { (!proxy.is_armed()).then_some(()) }).await;
    }
    witness.acknowledged(20).await;
    let verdict = witness.verdict(&direct).await;
    verdict.assert_sound();
    assert_eq!(verdict.attempted, verdict.acknowledged, "callers had nothing but to wait");
    assert!(proxy.cuts() >= 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_after_the_commit_is_found_out_and_acknowledged_once() {
    let (_database, proxy, store, direct) = by_proxy(LONG, LONG).await;
    store.append(append("account-1")).await.unwrap();
    for round in 2..=20 {
        proxy.cut_after(Direction::ToClient, 0);
        let appended = store.append(append("account-1")).await.expect("it is written");
        assert!(!proxy.is_armed() && appended.repeated, "the first answer was lost");
        let log = log(&direct).await;
        assert_eq!((log.len(), log.last().unwrap().position), (round, appended.position));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_original_that_arrives_after_its_replacement_writes_nothing() {
    let (_database, proxy, store, direct) = by_proxy(Duration::from_millis(300), LONG).await;
    store.append(append("account-1")).await.unwrap();
    let held = proxy.hold();
    let appended = store.append(append("account-1")).await.expect("the replacement takes another connection");
    assert!(held.bytes() > 0, "the original is on its way");
    assert!(!appended.repeated);
    let before = log(&direct).await;
    arrive(&proxy, held).await;
    store.append(append("account-1")).await.unwrap();
    let after = log(&direct).await;
    assert_eq!((before.len(), after.len()), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_was_told_after_an_unknown_answer_stays_so_when_the_original_arrives() {
    let (_database, proxy, store, direct) = by_proxy(Duration::from_millis(300), Duration::from_millis(200)).await;
    for (lost, round) in (0..3).zip(1..) {
        store.append(append("account-1")).await.unwrap();
        let held = proxy.hold();
        let append = append("account-1");
        let error = store.append(append.clone()).await.unwrap_err();
        assert!(matches!(&error, AppendError::Unknown { event_ids, .. } if *event_ids == append.event_ids()));
        let outcome = settled(&store, &append).await;
        assert!(outcome.is_none(), "it never arrived");
        assert!(held.bytes() > 0, "the original is on its way");
        arrive(&proxy, held).await;
        assert!(settled(&store, &append).await.is_none(), "what was told is final");
        assert_eq!(log(&direct).await.len(), round, "{lost} appends were not written");
    }
}

/// The outcome, asked for until it is told.
pub async fn settled(store: &PgEventStore, append: &Append) -> Option<cqrs_core::Appended> {
    until("the outcome is told", || async {
        match store.outcome(&append.event_ids()).await {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                assert!(matches!(error, AppendError::Transient(_)), "{error:?}");
                None
            }
        }
    })
    .await
}

/// Lets through what was held, to the last byte.
async fn arrive(proxy: &Proxy, held: cqrs_tests::proxy::Held) {
    let open = proxy.connections();
    let abandoned = held.abandoned();
    assert!(abandoned > 0, "the client has given the connection up");
    held.release();
    until("what was held has arrived", || async { (proxy.connections() + abandoned <= open).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_come_late_are_waited_for_and_those_that_come_too_late_are_found_out() {
    let (_database, proxy, store, direct) = by_proxy(Duration::from_millis(200), Duration::from_millis(800)).await;
    let witness = Witness::start(&store, 8);
    witness.acknowledged(50).await;
    proxy.delay(Duration::from_millis(20));
    witness.acknowledged(50).await;
    // The server has done it long before the answer comes: nobody waits for it then.
    proxy.delay(Duration::from_millis(150));
    witness.unanswered(8).await;
    proxy.pass();
    witness.acknowledged(50).await;
    let longest = witness.longest();
    witness.verdict(&direct).await.assert_sound();
    assert!(longest < Duration::from_secs(4), "every caller is answered in bounded time: {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_is_told_in_bounded_time_and_forgotten_when_it_is_gone() {
    let (_database, proxy, store, direct) = by_proxy(Duration::from_millis(300), Duration::from_millis(900)).await;
    let witness = Witness::start(&store, 8);
    for _ in 0..2 {
        witness.acknowledged(50).await;
        proxy.black_hole();
        witness.unanswered(16).await;
        let read = within("a read fails", Duration::from_secs(4), store.head()).await;
        assert!(read.unwrap_err().is_transient());
        proxy.pass();
        witness.acknowledged(50).await;
        within("reads go on", Duration::from_secs(4), head(&store)).await;
    }
    let longest = witness.longest();
    witness.verdict(&direct).await.assert_sound();
    assert!(longest < Duration::from_secs(4), "every caller is answered in bounded time: {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_everybody_for_a_while_is_waited_for() {
    let (_database, proxy, store, direct) = by_proxy(Duration::from_millis(500), LONG).await;
    let witness = Witness::start(&store, 4);
    for _ in 0..5 {
        witness.acknowledged(30).await;
        proxy.refuse();
        let fresh = store.head().await;
        assert!(fresh.is_err_and(|error| error.is_transient()));
        proxy.pass();
    }
    witness.acknowledged(30).await;
    let verdict = witness.verdict(&direct).await;
    verdict.assert_sound();
    assert_eq!(verdict.attempted, verdict.acknowledged, "callers had nothing but to wait");
}
