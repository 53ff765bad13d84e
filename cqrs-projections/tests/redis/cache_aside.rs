//! Cache-aside on a real Redis, in front of a source whose loads can be held up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cqrs_core::{GlobalPosition, Payload, ReadModel, ReadModelError};
use cqrs_projections::{CacheAside, CacheSource, Loaded, RedisReadModel};
use futures::future::join_all;
use tokio::sync::{Semaphore, watch};

use super::proxy::Proxy;
use super::scratch::{Scratch, batch, owned, removal, url, write};

/// Documents that are read at once and given out only when the test says so.
#[derive(Debug, Clone)]
pub struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    documents: Mutex<HashMap<String, Loaded>>,
    loads: watch::Sender<usize>,
    held: Semaphore,
    failing: AtomicUsize,
}

const OPEN: usize = 1_000_000;

impl Shelf {
    pub fn new() -> Self {
        let (documents, held) = (Mutex::default(), Semaphore::new(OPEN));
        Self(Arc::new(Inner { documents, loads: watch::Sender::new(0), held, failing: AtomicUsize::new(0) }))
    }

    pub fn put(&self, key: &str, json: &str, position: impl Into<Option<u64>>) {
        let document = Some(Payload::from_bytes(json.to_owned()));
        let loaded = Loaded { document, position: position.into().map(GlobalPosition::new) };
        self.0.documents.lock().unwrap().insert(key.to_owned(), loaded);
    }

    fn remove(&self, key: &str, position: u64) {
        let loaded = Loaded { document: None, position: Some(GlobalPosition::new(position)) };
        self.0.documents.lock().unwrap().insert(key.to_owned(), loaded);
    }

    /// Loads give out nothing any more.
    async fn hold(&self) {
        self.0.held.acquire_many(OPEN as u32).await.unwrap().forget();
    }

    /// One load gives out what it has read.
    fn release(&self, loads: usize) {
        self.0.held.add_permits(loads);
    }

    pub fn loads(&self) -> usize {
        *self.0.loads.borrow()
    }

    /// Waits until so many loads have read.
    async fn loaded(&self, count: usize) {
        let mut loads = self.0.loads.subscribe();
        let wait = loads.wait_for(|loads| *loads >= count);
        assert!(tokio::time::timeout(Duration::from_secs(60), wait).await.is_ok(), "{count} loads");
    }
}

#[async_trait]
impl CacheSource for Shelf {
    async fn load(&self, key: &str) -> Result<Loaded, ReadModelError> {
        let found = self.0.documents.lock().unwrap().get(key).cloned();
        self.0.loads.send_modify(|loads| *loads += 1);
        self.0.held.acquire().await.unwrap().forget();
        if self.0.failing.load(Ordering::Relaxed) > 0 {
            self.0.failing.fetch_sub(1, Ordering::Relaxed);
            return Err(ReadModelError::Transient(cqrs_core::Failure::new("out of order")));
        }
        Ok(found.unwrap_or(Loaded { document: None, position: None }))
    }
}

/// A cache of one process; each has its own connection.
async fn cache(scratch: &Scratch, shelf: &Shelf) -> CacheAside<u64> {
    CacheAside::new(&scratch.model().await, "course", shelf.clone()).unwrap().timeout(Duration::from_secs(30))
}

fn held(scratch: &Scratch, key: &str) -> Option<String> {
    scratch.plain(&["GET", &format!("{}:course:{key}", scratch.prefix)])
}

/// What a projection does to the cache when an event at this position touches these documents.
async fn touch(cache: &CacheAside<u64>, keys: &[&str], at: u64) {
    let model = cache.invalidation();
    let target =
        super::scratch::target(model.open(&super::scratch::summary(), cqrs_core::Partitions::ONE).await.unwrap());
    let from = model.checkpoint(&target).await.unwrap().1.map_or(0, |checkpoint| checkpoint.position.get());
    if from == 0 {
        model.fence(&target, super::scratch::token(1)).await.unwrap();
    }
    let touched = keys.iter().map(|key| write(key, "null", at)).collect();
    model.apply(&target, batch(from, at, touched)).await.unwrap();
}

#[tokio::test]
async fn a_document_is_loaded_once_and_kept_for_its_time() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "7", 5);
    let cache = cache(&scratch, &shelf).await;
    for _ in 0..3 {
        assert_eq!(cache.get("42").await.unwrap(), Some(7));
    }
    assert_eq!(shelf.loads(), 1);
    assert_eq!(held(&scratch, "42").unwrap(), r#"{"position":5,"document":7}"#);
    let left: i64 = scratch.plain(&["PTTL", &format!("{}:course:42", scratch.prefix)]);
    assert!((3_500_000..=3_600_000).contains(&left), "{left}");
    let lease: i64 = scratch.plain(&["EXISTS", &format!("{{{}:course:42}}:lease", scratch.prefix)]);
    assert_eq!(lease, 0);

    let short = cache.ttl(Duration::from_millis(1));
    short.invalidate(&["42".to_owned()]).await.unwrap();
    short.get("42").await.unwrap();
    scratch.until("it expired", |_| held(&scratch, "42").is_none()).await;
    assert_eq!(short.get("42").await.unwrap(), Some(7));
    assert_eq!(shelf.loads(), 3);
}

#[tokio::test]
async fn what_was_fetched_before_and_invalidated_meanwhile_is_not_stored_after() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", None);
    let cache = cache(&scratch, &shelf).await;
    shelf.hold().await;
    let (key, early) = (
        ["42".to_owned()],
        tokio::spawn({
            let cache = cache.clone();
            async move { cache.get("42").await }
        }),
    );
    shelf.loaded(1).await;
    // It has read 1.
    shelf.put("42", "2", None);
    cache.invalidate(&key).await.unwrap();
    shelf.release(OPEN);
    assert_eq!(early.await.unwrap().unwrap(), Some(1), "it began before");
    assert_eq!(held(&scratch, "42"), None, "a stale document is not cached");
    assert_eq!(cache.get("42").await.unwrap(), Some(2));
    assert_eq!(held(&scratch, "42").unwrap(), r#"{"position":0,"document":2}"#);
}

#[tokio::test]
async fn who_asks_after_an_invalidation_is_not_given_what_was_fetched_before_it() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let cache = cache(&scratch, &shelf).await;
    shelf.hold().await;
    let get = || {
        tokio::spawn({
            let cache = cache.clone();
            async move { cache.get("42").await.unwrap() }
        })
    };
    let early = get();
    shelf.loaded(1).await;
    shelf.put("42", "2", 6);
    touch(&cache, &["42"], 6).await;
    let late: Vec<_> = (0..5).map(|_| get()).collect();
    tokio::task::yield_now().await;
    shelf.release(OPEN);
    assert_eq!(early.await.unwrap(), Some(1));
    for late in late {
        assert_eq!(late.await.unwrap(), Some(2));
    }
    assert_eq!(shelf.loads(), 2, "those who waited load once more, together");
}

#[tokio::test]
async fn a_document_that_does_not_reflect_the_event_yet_is_given_out_and_not_cached() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let cache = cache(&scratch, &shelf).await;
    cache.get("42").await.unwrap();
    // The invalidation is faster than the read model that is cached.
    touch(&cache, &["42", "43"], 9).await;
    assert_eq!(held(&scratch, "42"), None);
    for loads in 2..5 {
        assert_eq!(cache.get("42").await.unwrap(), Some(1));
        assert_eq!((held(&scratch, "42"), shelf.loads()), (None, loads));
    }
    shelf.put("42", "2", 8);
    cache.get("42").await.unwrap();
    assert_eq!(held(&scratch, "42"), None, "another event is not the one");
    shelf.put("42", "3", 10);
    assert_eq!(cache.get("42").await.unwrap(), Some(3));
    assert_eq!(held(&scratch, "42").unwrap(), r#"{"position":10,"document":3}"#);
    let floor: i64 = scratch.plain(&["EXISTS", &format!("{{{}:course:42}}:floor", scratch.prefix)]);
    assert_eq!(floor, 0);
    let floor: i64 = scratch.plain(&["PTTL", &format!("{{{}:course:43}}:floor", scratch.prefix)]);
    assert!((3_500_000..=3_600_000).contains(&floor), "{floor}");
}

#[tokio::test]
async fn a_document_that_reflects_the_event_already_stays() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 10);
    let cache = cache(&scratch, &shelf).await;
    cache.get("42").await.unwrap();
    touch(&cache, &["42"], 9).await;
    assert!(held(&scratch, "42").is_some());
    touch(&cache, &["42"], 10).await;
    assert!(held(&scratch, "42").is_some());
    touch(&cache, &["42"], 100).await;
    assert_eq!(held(&scratch, "42"), None, "numbers are not compared as words");
}

#[tokio::test]
async fn who_asks_at_the_same_time_shares_one_load() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let cache = cache(&scratch, &shelf).await;
    shelf.hold().await;
    let all = tokio::spawn({
        let cache = cache.clone();
        async move { join_all((0..50).map(|_| cache.get("42"))).await }
    });
    shelf.loaded(1).await;
    shelf.release(OPEN);
    assert!(all.await.unwrap().into_iter().all(|got| got.unwrap() == Some(1)));
    assert_eq!(shelf.loads(), 1);
}

#[tokio::test]
async fn processes_wait_for_what_one_of_them_loads() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    shelf.hold().await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        let cache = cache(&scratch, &shelf).await.patience(Duration::from_secs(60)).lease(Duration::from_secs(60));
        readers.push(tokio::spawn(async move { cache.get("42").await.unwrap() }));
    }
    shelf.loaded(1).await;
    shelf.release(OPEN);
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Some(1));
    }
    assert_eq!(shelf.loads(), 1);
}

#[tokio::test]
async fn a_lease_that_ran_out_goes_to_another_and_its_former_owner_stores_nothing() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    shelf.hold().await;
    let slow = cache(&scratch, &shelf).await.lease(Duration::from_millis(20));
    let slow = tokio::spawn(async move { slow.get("42").await.unwrap() });
    shelf.loaded(1).await;
    shelf.put("42", "2", 6);
    let other = cache(&scratch, &shelf).await.patience(Duration::from_secs(60)).lease(Duration::from_secs(60));
    let other = tokio::spawn(async move { other.get("42").await.unwrap() });
    shelf.loaded(2).await;
    // First come, first served: the slow one.
    shelf.release(1);
    assert_eq!(slow.await.unwrap(), Some(1));
    assert_eq!(held(&scratch, "42"), None);
    shelf.release(1);
    assert_eq!(other.await.unwrap(), Some(2));
    assert_eq!(held(&scratch, "42").unwrap(), r#"{"position":6,"document":2}"#);
}

#[tokio::test]
async fn nobody_waits_for_another_process_for_longer_than_told() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    shelf.hold().await;
    let stuck = cache(&scratch, &shelf).await.lease(Duration::from_secs(600));
    let stuck = tokio::spawn(async move { stuck.get("42").await.unwrap() });
    shelf.loaded(1).await;
    let other = cache(&scratch, &shelf).await.patience(Duration::from_millis(20));
    let other = tokio::spawn(async move { other.get("42").await.unwrap() });
    shelf.loaded(2).await;
    shelf.release(OPEN);
    assert_eq!((stuck.await.unwrap(), other.await.unwrap()), (Some(1), Some(1)));
}

#[tokio::test]
async fn a_reader_that_gives_up_while_it_loads_leaves_the_others_going() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let cache = cache(&scratch, &shelf).await.patience(Duration::from_millis(20));
    shelf.hold().await;
    let get = || {
        tokio::spawn({
            let cache = cache.clone();
            async move { cache.get("42").await.unwrap() }
        })
    };
    let first = get();
    shelf.loaded(1).await;
    let second = get();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    shelf.release(OPEN);
    assert_eq!(second.await.unwrap(), Some(1));
}

#[tokio::test]
async fn that_there_is_none_is_kept_only_when_told() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    let cache = cache(&scratch, &shelf).await;
    assert_eq!((cache.get("none").await.unwrap(), cache.get("none").await.unwrap()), (None, None));
    assert_eq!(shelf.loads(), 2);
    let cache = cache.remember_missing(Duration::from_secs(30));
    assert_eq!((cache.get("none").await.unwrap(), cache.get("none").await.unwrap()), (None, None));
    assert_eq!(shelf.loads(), 3);
    let left: i64 = scratch.plain(&["PTTL", &format!("{}:course:none", scratch.prefix)]);
    assert!((1..=30_000).contains(&left), "{left}");

    shelf.put("none", "1", 5);
    touch(&cache, &["none"], 5).await;
    assert_eq!(cache.get("none").await.unwrap(), Some(1));
    touch(&cache, &["none"], 6).await;
    shelf.remove("none", 6);
    assert_eq!((cache.get("none").await.unwrap(), cache.get("none").await.unwrap()), (None, None));
    assert_eq!(shelf.loads(), 5, "a removal that reflects the event is kept as well");
}

#[tokio::test]
async fn an_error_of_the_source_reaches_all_who_wait_and_is_not_kept() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let cache = cache(&scratch, &shelf).await;
    shelf.0.failing.store(1, Ordering::Relaxed);
    shelf.hold().await;
    let all = tokio::spawn({
        let cache = cache.clone();
        async move { join_all((0..5).map(|_| cache.get("42"))).await }
    });
    shelf.loaded(1).await;
    shelf.release(OPEN);
    assert!(all.await.unwrap().into_iter().all(|got| got.unwrap_err().is_transient()));
    assert_eq!(cache.get("42").await.unwrap(), Some(1), "its lease was given back");
}

#[tokio::test]
async fn what_others_wrote_or_what_has_another_shape_is_loaded_again() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let cache = cache(&scratch, &shelf).await;
    let key = format!("{}:course:42", scratch.prefix);
    let _: () = scratch.plain(&["SET", &key, r#"{"position":5,"document":"of another shape"}"#]);
    assert_eq!(cache.get("42").await.unwrap(), Some(1));
    assert_eq!(held(&scratch, "42").unwrap(), r#"{"position":5,"document":1}"#);
    let _: () = scratch.plain(&["SET", &key, "foreign"]);
    assert_eq!(cache.get("42").await.unwrap(), Some(1));
    let _: u64 = scratch.plain(&["DEL", &key]);
    let _: u64 = scratch.plain(&["LPUSH", &key, "foreign"]);
    assert_eq!(cache.get("42").await.unwrap(), Some(1));
}

async fn through(proxy: &Proxy, scratch: &Scratch, shelf: &Shelf) -> CacheAside<u64> {
    let model = RedisReadModel::connect(proxy.url()).prefix(&scratch.prefix).await.unwrap();
    CacheAside::new(&model, "course", shelf.clone()).unwrap()
}

#[tokio::test]
async fn without_redis_documents_come_from_the_source() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let proxy = Proxy::to(&url());
    let cache = through(&proxy, &scratch, &shelf).await;
    cache.get("42").await.unwrap();
    drop(proxy);
    shelf.put("42", "2", 6);
    assert_eq!(cache.get("42").await.unwrap(), Some(2));
    let error = cache.invalidate(&["42".to_owned()]).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let error = cache.strict().get("42").await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_silent_redis_is_not_waited_for() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    shelf.put("42", "1", 5);
    let proxy = Proxy::to(&url());
    let cache = through(&proxy, &scratch, &shelf).await.timeout(Duration::from_millis(100));
    proxy.freeze();
    for _ in 0..200 {
        assert_eq!(cache.get("42").await.unwrap(), Some(1));
    }
}

#[tokio::test]
async fn the_invalidation_keeps_lookups_and_no_documents() {
    let (scratch, shelf) = (Scratch::new(), Shelf::new());
    let cache = cache(&scratch, &shelf).await;
    let model = cache.invalidation();
    let target = owned(&scratch.model().await).await;
    let lookup = cqrs_core::lookup_key("instructor");
    let documents = vec![write(&lookup, "1", 5), write("42", "null", 5), removal("43", 5)];
    model.apply(&target, batch(0, 5, documents)).await.unwrap();
    let found = model.load(&target, &[lookup, "42".to_owned(), "43".to_owned()]).await.unwrap();
    assert!(found[0].is_some() && found[1].is_none() && found[2].is_none(), "{found:?}");
}

#[test]
fn a_cache_has_a_name_like_a_key() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scratch = Scratch::new();
    let model = runtime.block_on(scratch.model());
    for bad in ["", "a{b", "a b", "ä"] {
        assert!(CacheAside::<u64>::new(&model, bad, Shelf::new()).is_err(), "{bad:?}");
    }
}
