//! Connections that are cut at any byte, while events are projected and rebuilt.

use std::time::Duration;

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{
    Batch, Checkpoint, DocumentWrite, EventId, FencingToken, GlobalPosition, Partitions, Payload, ReadModel, StoreId,
    Target,
};
use cqrs_projections::{RebuildError, Rebuilt};
use cqrs_tests::database::Database;
use cqrs_tests::proxy::{Direction, Proxy};
use cqrs_tests::wait::until;

use super::ledger::{NAME, assert_caught_up, go_on, migrated, options, start};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_at_any_byte_lose_and_double_nothing() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let proxy = Proxy::before_service(&database.url).await;
    let model = options(&database, &proxy.url(&database.url)).connect().await.unwrap();
    let store = InMemoryEventStore::new();
    let running = start(store.clone(), model).await;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rebuild: Option<tokio::task::JoinHandle<Result<Rebuilt, RebuildError>>> = None;
    for cut in 0..60 {
        if cut % 15 == 5 {
            if let Some(former) = rebuild.take() {
                former.await.unwrap().unwrap();
            }
            rebuild = Some(tokio::spawn(running.rebuild(NAME).batch(7).into_future()));
        }
        let direction = if random.bool() { Direction::ToClient } else { Direction::ToServer };
        proxy.cut_after(direction, random.usize(..3_000));
        until("the connection is cut", || {
            let seed = random.u64(..10_000);
            let (store, proxy) = (&store, &proxy);
            async move {
                go_on(store, seed).await;
                (!proxy.is_armed()).then_some(())
            }
        })
        .await;
    }
    rebuild.unwrap().await.unwrap().unwrap();
    assert_caught_up(&running, &store, &direct).await;
    assert!(proxy.cuts() >= 60);
    running.rebuild(NAME).await.unwrap();
    assert_caught_up(&running, &store, &direct).await;
    assert_eq!(direct.generations(&NAME.parse().unwrap()).await.unwrap().len(), 1);
}

/// Every message of a batch and of its answer is torn somewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_connection_dies_at_any_byte_is_written_wholly_or_not_at_all_and_can_be_repeated() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let proxy = Proxy::before_service(&database.url).await;
    let model = options(&database, &proxy.url(&database.url)).connections(1).connect().await.unwrap();
    let generation = model.open(&NAME.parse().unwrap(), Partitions::ONE).await.unwrap();
    let target = Target { projection: NAME.parse().unwrap(), generation, partition: 0 };
    model.fence(&target, FencingToken::new(1)).await.unwrap();
    let keys = ["a", "b", "c"].map(str::to_owned);
    let (mut written, mut not_written, mut at) = (0, 0, 0);
    let mut apply = async |direction, bytes| {
        let batch = batch(&target, &keys, at);
        proxy.cut_after(direction, bytes);
        let answer = model.apply(&target, batch.clone()).await;
        let answered = answer.is_ok();
        assert!(answered || answer.unwrap_err().is_transient());
        let stored = direct.load(&target, &keys).await.unwrap();
        let stands = direct.checkpoint(&target).await.unwrap().1.map_or(0, |checkpoint| checkpoint.position.get());
        assert!(stands == at || stands == at + 1, "{stands}");
        assert!(!answered || stands == at + 1, "what is acknowledged is there");
        for document in stored {
            assert_eq!(
                document.map_or(0, |document| document.position.get()),
                stands,
                "documents and checkpoint together"
            );
        }
        *(if stands > at { &mut written } else { &mut not_written }) += u32::from(!answered);
        proxy.cut_after(Direction::ToClient, usize::MAX);
        until("the batch is delivered again", || async { model.apply(&target, batch.clone()).await.ok() }).await;
        at += 1;
        answered
    };
    for direction in [Direction::ToServer, Direction::ToClient] {
        for bytes in (0..400).step_by(9) {
            apply(direction, bytes).await;
        }
    }
    assert!(written > 0 && not_written > 0, "cut before the commit {not_written} times, after it {written} times");
}

fn batch(target: &Target, keys: &[String], from: u64) -> Batch {
    let to = GlobalPosition::new(from + 1);
    let document = |key: &String| DocumentWrite {
        key: key.clone(),
        document: Some(Payload::from_bytes(format!("{from}"))),
        position: to,
    };
    let checkpoint = Checkpoint {
        store_id: StoreId::from_uuid(uuid::Uuid::from_u128(7)),
        position: to,
        event_id: Some(EventId::new()),
        generation: target.generation,
        token: FencingToken::new(1),
    };
    Batch { from: GlobalPosition::new(from), documents: keys.iter().map(document).collect(), checkpoint }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_goes_dead_is_waited_for() {
    let database = Database::new();
    let direct = migrated(&database).await;
    let proxy = Proxy::before_service(&database.url).await;
    let options = options(&database, &proxy.url(&database.url)).timeout(Duration::from_millis(500));
    let store = InMemoryEventStore::new();
    let running = start(store.clone(), options.connect().await.unwrap()).await;
    for seed in 0..3 {
        assert_caught_up(&running, &store, &direct).await;
        proxy.black_hole();
        let written = go_on(&store, seed).await;
        let late = running.wait_for(written, Duration::from_secs(1)).await;
        assert!(late.is_err(), "nothing comes through");
        proxy.pass();
    }
    assert_caught_up(&running, &store, &direct).await;
}
