//! Read models on a cluster of three masters: whole, while slots move, and while a master is away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use cqrs_core::{Partitions, ReadModel, ReadModelError, Target};
use cqrs_projections::{CacheAside, RedisReadModel};
use cqrs_testkit::Fixture;
use uuid::Uuid;

use super::cache_aside::Shelf;
use super::derived::{CHANGED, WAS, contribute};
use super::scratch::{batch, load, removal, stored, summary, target, token, write};
use super::server::{Cluster, until};

/// Ends with the process of the tests.
static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);

async fn model(cluster: &Cluster, prefix: &str) -> RedisReadModel {
    RedisReadModel::connect_cluster(cluster.urls()).prefix(prefix).await.unwrap()
}

fn prefix() -> String {
    format!("test-{}", Uuid::now_v7())
}

mod whole {
    use super::*;

    async fn fresh() -> Fixture<dyn ReadModel> {
        Fixture::new(Arc::new(model(&SHARED, &prefix()).await) as Arc<dyn ReadModel>)
    }

    cqrs_testkit::read_model_contract!(fresh);
}

/// Moves slots that have keys from node to node, without a rest.
struct Restless {
    over: Arc<AtomicBool>,
    mover: Option<JoinHandle<usize>>,
}

impl Restless {
    fn start(cluster: &'static Cluster, prefix: String) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let mover = std::thread::spawn(move || {
            let mut moves = 0;
            while !stop.load(Ordering::Relaxed) {
                for from in 0..3 {
                    let keys: Vec<String> = cluster.nodes[from].command(&["KEYS", &format!("*{prefix}*")]);
                    let slots: std::collections::BTreeSet<u16> = keys.iter().map(|key| cluster.slot(key)).collect();
                    for slot in slots.into_iter().take_while(|_| !stop.load(Ordering::Relaxed)) {
                        cluster.begin_move(slot, (from + 1) % 3).finish();
                        moves += 1;
                    }
                }
            }
            moves
        });
        Self { over, mover: Some(mover) }
    }

    fn stop(&mut self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.mover.take().map_or(0, |mover| mover.join().unwrap())
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
        self.over.store(true, Ordering::Relaxed);
    }
}

mod while_slots_move {
    use super::*;

    static RESTLESS: LazyLock<Cluster> = LazyLock::new(Cluster::start);

    async fn fresh() -> Fixture<dyn ReadModel> {
        let prefix = prefix();
        let model = RedisReadModel::connect_cluster(RESTLESS.urls())
            .prefix(&prefix)
            .response_timeout(Duration::from_secs(60))
            .await
            .unwrap();
        Fixture::new(Arc::new(model) as Arc<dyn ReadModel>).guard(Restless::start(&RESTLESS, prefix))
    }

    cqrs_testkit::read_model_contract!(fresh);
}

/// Everything that the cluster holds of a slot, wherever it is.
fn dump(cluster: &Cluster, slot: u16) -> BTreeMap<String, Vec<u8>> {
    let of = |node: usize| {
        cluster.keys(node, slot).into_iter().map(move |key| {
            // ASKING lets the node that a slot moves to answer.
            let mut pipe = redis::pipe();
            pipe.cmd("ASKING").ignore().cmd("DUMP").arg(&key);
            let (held,): (Vec<u8>,) = pipe.query(&mut cluster.nodes[node].connect().unwrap()).unwrap();
            (key, held)
        })
    };
    (0..3).flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_on_a_slot_of_which_some_keys_have_moved_is_written_wholly_or_not_at_all() {
    let cluster = Cluster::start();
    let prefix = prefix();
    let connect = RedisReadModel::connect_cluster(cluster.urls()).prefix(&prefix);
    let model = contribute(connect.response_timeout(Duration::from_millis(300)).await.unwrap());
    let first = target(model.open(&summary(), Partitions::ONE).await.unwrap());
    model.fence(&first, token(1)).await.unwrap();
    model.apply(&first, batch(0, 1, vec![write("k", WAS, 1), write("l", WAS, 1)])).await.unwrap();

    let slot = cluster.slot(&format!("{{{prefix}:summary:1:0}}:checkpoint"));
    let mut at = 1;
    // Each key in turn is the first that has moved.
    let all: Vec<String> = dump(&cluster, slot).into_keys().collect();
    assert_eq!(all.len(), 13, "{all:?}");
    for moved in 0..=all.len() {
        let moving = cluster.begin_move(slot, (cluster.owner(slot) + 1) % 3);
        let mut keys = cluster.keys(moving.from, slot);
        keys.sort();
        let count = keys.len();
        keys.rotate_left(moved % count);
        moving.take(&keys[..moved.clamp(1, count)]);
        let before = dump(&cluster, slot);
        let changed = if moved % 2 == 0 { CHANGED } else { WAS };
        let next =
            batch(at, at + 1, vec![write("k", changed, at + 1), write("new", WAS, at + 1), removal("l", at + 1)]);
        match model.apply(&first, next.clone()).await {
            Ok(()) => {}
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                assert_eq!(dump(&cluster, slot), before, "{moved} keys had moved");
            }
        }
        moving.finish();
        until_applied(&model, &first, next).await;
        at += 1;
        let back = batch(at, at + 1, vec![removal("new", at + 1), write("l", WAS, at + 1)]);
        until_applied(&model, &first, back).await;
        at += 1;
    }
    assert_eq!(load(&model, &first, &["new"]).await, [None]);
    // The last of the 14 rounds left both as they were.
    assert_eq!(model.counter("summary", "c").unwrap().get().await.unwrap(), 2);
    model.drop_generation(&summary(), model.begin(&summary(), Partitions::ONE).await.unwrap()).await.unwrap();
}

async fn until_applied(model: &RedisReadModel, target: &Target, next: cqrs_core::Batch) {
    for _ in 0..1_000 {
        match model.apply(target, next.clone()).await {
            Ok(()) => return,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is never applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_dropped_wholly_while_its_slot_moves() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start()));
    let prefix = prefix();
    let connect = RedisReadModel::connect_cluster(cluster.urls()).prefix(&prefix);
    let model = contribute(connect.response_timeout(Duration::from_secs(60)).await.unwrap());
    model.open(&summary(), Partitions::ONE).await.unwrap();
    let mut restless = Restless::start(cluster, prefix.clone());
    for round in 0..4 {
        let dropped = target(model.begin(&summary(), Partitions::ONE).await.unwrap());
        model.fence(&dropped, token(1)).await.unwrap();
        let many = (0..3_000).map(|n| write(&format!("k{n}"), &format!(r#"{{"sets":[["s{n}","m"]]}}"#), 1));
        until_applied(&model, &dropped, batch(0, 1, many.collect())).await;
        while let Err(error) = model.drop_generation(&summary(), dropped.generation).await {
            assert!(error.is_transient(), "{error:?}");
        }
        let left: Vec<String> = (0..3)
            .flat_map(|node| cluster.nodes[node].command::<Vec<String>>(&["KEYS", &format!("*{prefix}*")]))
            .filter(|key| key.contains(&format!(":{}:0}}", dropped.generation)))
            .collect();
        assert!(left.iter().all(|key| key.ends_with("}:checkpoint")), "{round}: {left:?}");
    }
    assert!(restless.stop() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_killed_and_started_again_is_found_again() {
    // Otherwise Redis may lose what it acknowledged last.
    let mut cluster = Cluster::with(&["--appendfsync", "always"]);
    let connect = RedisReadModel::connect_cluster(cluster.urls()).prefix(prefix());
    let model = contribute(connect.response_timeout(Duration::from_millis(500)).await.unwrap());
    let partitions = Partitions::new(12).unwrap();
    let generation = model.open(&summary(), partitions).await.unwrap();
    let targets: Vec<Target> = partitions.all().map(|partition| Target { partition, ..target(generation) }).collect();
    for target in &targets {
        model.fence(target, token(1)).await.unwrap();
        model.apply(target, batch(0, 1, vec![write("k", WAS, 1)])).await.unwrap();
    }
    for killed in 0..3 {
        let at = killed as u64 + 1;
        cluster.nodes[killed].kill();
        let mut refused = Vec::new();
        for target in &targets {
            match model.apply(target, batch(at, at + 1, vec![write("k", CHANGED, at + 1)])).await {
                Ok(()) => {}
                Err(error) => {
                    assert!(error.is_transient(), "{error:?}");
                    refused.push(target.clone());
                }
            }
        }
        assert!(!refused.is_empty(), "twelve partitions lie on all nodes");
        cluster.nodes[killed].start_again();
        cluster.until_whole();
        for target in &targets {
            until_applied(&model, target, batch(at, at + 1, vec![write("k", CHANGED, at + 1)])).await;
            assert_eq!(load(&model, target, &["k"]).await, [stored(CHANGED, at + 1)]);
        }
    }
    assert_eq!(model.counter("summary", "c").unwrap().get().await.unwrap(), 24);
    assert_eq!(model.set("summary", "s").unwrap().len().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_which_nobody_answers_is_transient_and_a_bad_address_is_not() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = RedisReadModel::connect_cluster([format!("redis://{nobody}/")]).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Transient(_)), "{error:?}");
    let error = RedisReadModel::connect_cluster(["http://localhost/"]).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Permanent(_)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_may_drop_documents_does_not_fit() {
    let cluster = Cluster::start();
    let _: () = cluster.nodes[2].command(&["CONFIG", "SET", "maxmemory", "100mb"]);
    let _: () = cluster.nodes[2].command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let error = RedisReadModel::connect_cluster(cluster.urls()).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Mismatch { .. }), "{error:?}");

    let _: () = cluster.nodes[2].command(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    let model = contribute(RedisReadModel::connect_cluster(cluster.urls()).await.unwrap());
    let first = target(model.open(&summary(), Partitions::ONE).await.unwrap());
    model.fence(&first, token(1)).await.unwrap();
    model.apply(&first, batch(0, 1, vec![write("k", WAS, 1)])).await.unwrap();
    let ending = WAS.replacen('{', r#"{"ends":9000000000000,"#, 1);
    let error = model.apply(&first, batch(1, 2, vec![write("k", &ending, 2)])).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Mismatch { .. }), "it may be dropped before its end: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_lies_on_all_nodes() {
    let shelf = Shelf::new();
    let cache = CacheAside::<u64>::new(&model(&SHARED, &prefix()).await, "course", shelf.clone()).unwrap();
    let keys: Vec<String> = (0..60).map(|n| format!("{{{n}}}%{n}")).collect();
    for (n, key) in keys.iter().enumerate() {
        shelf.put(key, &n.to_string(), 5);
        assert_eq!(cache.get(key).await.unwrap(), Some(n as u64));
        assert_eq!(cache.get(key).await.unwrap(), Some(n as u64));
    }
    assert_eq!(shelf.loads(), 60);
    cache.invalidate(&keys).await.unwrap();
    cache.get(&keys[0]).await.unwrap();
    assert_eq!(shelf.loads(), 61);
}

#[test]
fn a_server_of_a_test_ends_with_it() {
    let mut cluster = Cluster::start();
    let urls = cluster.urls();
    cluster.nodes.truncate(1);
    drop(cluster);
    for url in urls {
        until("it ended", || redis::Client::open(url.as_str()).unwrap().get_connection().is_err());
    }
}
