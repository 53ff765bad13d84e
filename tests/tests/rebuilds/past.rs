//! Moments of the past: in memory, and kept beside the live documents.

use cqrs_core::{AsOf, EventStore, GlobalPosition, ReadAll};
use cqrs_projections::{KeptGenerations, documents_as_of};
use cqrs_tests::ledger::{NAME, Sheets, folded_up_to, sheets};
use cqrs_tests::sink::Service;

use super::place::Place;

async fn moments_are_kept(service: Service) {
    let place = Place::new(service).await;
    let first = place.append(0..60).await;
    let running = place.start(2).await;
    let second = place.append(60..120).await;
    place.assert_right(&running).await;
    running.as_of(NAME, AsOf::Position(first)).keep("first").await.unwrap();
    running.as_of(NAME, AsOf::Position(second)).keep("the second one").await.unwrap();
    place.append(120..150).await;
    assert_eq!(running.rebuild(NAME).await.unwrap().generation.get(), 4);
    place.assert_right(&running).await;
    assert_eq!(place.generations().await, [2, 3, 4], "what is kept is not dropped");

    let kept = KeptGenerations::new(place.model.clone(), NAME).unwrap();
    let names: Vec<_> = kept.list().await.unwrap().into_iter().map(|one| (one.name, one.position)).collect();
    assert_eq!(names, [("first".to_owned(), first), ("the second one".to_owned(), second)]);
    let then = sheets(&kept.documents("first").await.unwrap()).await;
    assert_eq!(then, folded_up_to(&place.store, first).await);
    assert_eq!(
        sheets(&kept.documents("the second one").await.unwrap()).await,
        folded_up_to(&place.store, second).await
    );

    // The same moments in memory differ by the same.
    let past = |position| documents_as_of(Sheets(2), place.store.clone(), AsOf::Position(position));
    let (before, after) = (past(first).await.unwrap(), past(second).await.unwrap());
    assert_eq!(before.all().await.unwrap(), then);
    let found = kept.diff("first", "the second one").await.unwrap();
    assert!(found.different() > 0);
    assert_eq!(found, before.diff(&after).await.unwrap());

    kept.remove("first").await.unwrap();
    assert_eq!(place.generations().await, [3, 4]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_are_kept_in_redis() {
    moments_are_kept(Service::Redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_are_kept_in_elasticsearch() {
    moments_are_kept(Service::Elastic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_are_kept_in_postgresql() {
    moments_are_kept(Service::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_time_of_each_event_is_its_moment() {
    let place = Place::new(Service::Redis).await;
    place.append(0..30).await;
    let log = place.store.read_all(ReadAll::after(GlobalPosition::START)).await.unwrap().events;
    for at in [0, 1, 7, log.len() / 2, log.len() - 1] {
        for time in [log[at].recorded_at, log[at].recorded_at.plus_micros(-1)] {
            let past = documents_as_of(Sheets(1), place.store.clone(), AsOf::Recorded(time)).await.unwrap();
            let expected = log.iter().filter(|event| event.recorded_at <= time).map(|event| event.position).max();
            assert_eq!(past.position(), expected.unwrap_or(GlobalPosition::START));
            assert_eq!(past.all().await.unwrap(), folded_up_to(&place.store, past.position()).await);
        }
    }
}
