//! What happens when the server forgets, hangs up or goes silent.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cqrs_core::in_memory::InMemoryEventStore;
use cqrs_core::{Documents, ReadModel, ReadModelError};
use cqrs_projections::{Projections, RedisReadModel};
use futures::future::join_all;

use super::letters::{SOON, Visits, visit};
use super::proxy::Proxy;
use super::scratch::{Scratch, batch, load, owned, stored, token, url, write};

/// Long enough for a server that other tests keep busy.
const TIMEOUT: Duration = Duration::from_secs(1);

async fn through(proxy: &Proxy, scratch: &Scratch) -> RedisReadModel {
    RedisReadModel::connect(proxy.url()).prefix(&scratch.prefix).response_timeout(TIMEOUT).await.unwrap()
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_again() {
    let scratch = Scratch::new();
    let model = scratch.model().await;
    let target = owned(&model).await;
    for at in 0..5 {
        let _: () = scratch.command(&["SCRIPT", "FLUSH"]);
        model.apply(&target, batch(at, at + 1, vec![write("a", &at.to_string(), at + 1)])).await.unwrap();
    }
    assert_eq!(load(&model, &target, &["a"]).await, [stored("4", 5)]);
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_made_again() {
    let scratch = Scratch::new();
    let proxy = Proxy::to(&url());
    let model = through(&proxy, &scratch).await;
    let target = owned(&model).await;
    for at in 0..10 {
        let killed: u64 = scratch.command(&["CLIENT", "KILL", "ADDR", &proxy.newest().to_string()]);
        assert_eq!(killed, 1);
        model.apply(&target, batch(at, at + 1, vec![write("a", &at.to_string(), at + 1)])).await.unwrap();
        assert_eq!(load(&model, &target, &["a"]).await, [stored(&at.to_string(), at + 1)]);
    }
    assert_eq!(proxy.connections(), 11);
}

#[tokio::test]
async fn a_takeover_on_an_ended_connection_is_transient_and_the_next_token_succeeds() {
    let scratch = Scratch::new();
    let proxy = Proxy::to(&url());
    let model = through(&proxy, &scratch).await;
    let target = owned(&model).await;
    let _: u64 = scratch.command(&["CLIENT", "KILL", "ADDR", &proxy.newest().to_string()]);

    let error = model.fence(&target, token(2)).await.unwrap_err();
    assert!(error.is_transient(), "it may have happened: {error:?}");
    model.fence(&target, token(3)).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_went_silent_is_transient_and_then_replaced() {
    let scratch = Scratch::new();
    let proxy = Proxy::to(&url());
    let model = through(&proxy, &scratch).await;
    let target = owned(&model).await;
    proxy.freeze();

    let started = Instant::now();
    let error = model.apply(&target, batch(0, 1, vec![write("a", "1", 1)])).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(started.elapsed() < TIMEOUT * 5, "{:?}", started.elapsed());

    model.apply(&target, batch(0, 1, vec![write("a", "1", 1)])).await.unwrap();
    assert_eq!(load(&model, &target, &["a"]).await, [stored("1", 1)]);
}

#[tokio::test]
async fn callers_of_a_silent_server_do_not_wait_for_one_another() {
    let scratch = Scratch::new();
    let proxy = Proxy::to(&url());
    let model = through(&proxy, &scratch).await;
    let target = owned(&model).await;
    proxy.freeze();

    let started = Instant::now();
    let callers = (0..50).map(|_| async { model.checkpoint(&target).await.unwrap_err() });
    for error in join_all(callers).await {
        assert!(error.is_transient(), "{error:?}");
    }
    assert!(started.elapsed() < TIMEOUT * 5, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_transient() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    let started = Instant::now();
    let error = RedisReadModel::connect(url).response_timeout(TIMEOUT).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Transient(_)), "{error:?}");
    assert!(started.elapsed() < TIMEOUT * 5, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_transient() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = RedisReadModel::connect(format!("redis://{nobody}/")).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Transient(_)), "{error:?}");
}

#[tokio::test]
async fn what_was_flushed_under_a_projection_is_filled_again() {
    let scratch = Scratch::new();
    let (store, model) = (InMemoryEventStore::new(), scratch.model().await);
    let running = Projections::new(store.clone()).add("summary", Visits, model.clone()).start().await.unwrap();
    let documents = Documents::<Vec<u64>>::new(model, "summary").unwrap();
    for flushed in 0..3 {
        let last = visit(&store, ["a", "b"]).await;
        running.wait_for(last, SOON).await.unwrap();
        let odd: Vec<_> = (0..=flushed).map(|round| 2 * round + 1).collect();
        assert_eq!(documents.get("a").await.unwrap(), Some(odd));
        assert_eq!(documents.get("b").await.unwrap().map(|visits| visits.len() as u64), Some(flushed + 1));
        scratch.flush();
        assert_eq!(documents.get("a").await.unwrap(), None);
    }
    running.stop().await;
}
